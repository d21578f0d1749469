package vixdisklib

// #include "shim.h"
import "C"

import (
	"fmt"
	"strings"
	"unsafe"
)

// cStrings are strings for the time of a call of C.
type cStrings struct {
	all []*C.char
	err error
}

// required makes a string, also of "". A NUL within it, where C would see its end, is an error.
func (s *cStrings) required(text string) *C.char {
	if strings.ContainsRune(text, 0) {
		s.err = fmt.Errorf("%q has a NUL in it", text)
		return nil
	}
	made := C.CString(text)
	s.all = append(s.all, made)
	return made
}

// optional makes NULL of "".
func (s *cStrings) optional(text string) *C.char {
	if text == "" {
		return nil
	}
	return s.required(text)
}

func (s *cStrings) free() {
	for _, text := range s.all {
		C.free(unsafe.Pointer(text))
	}
}

// withStrings makes a call of C with strings.
func withStrings(function func(texts []*C.char) C.VixError, texts ...string) error {
	var strs cStrings
	defer strs.free()
	made := make([]*C.char, len(texts))
	for i, text := range texts {
		made[i] = strs.required(text)
	}
	if strs.err != nil {
		return strs.err
	}
	return call(func() C.VixError { return function(made) })
}

func cBool(value bool) C.int {
	if value {
		return 1
	}
	return 0
}
