package vixdisklib

// #cgo pkg-config: vixDiskLib
// #include "shim.h"
import "C"

import (
	"fmt"
	"io/fs"
	"runtime"
	"strings"
)

// Code is an error code of the library. As an error it is what errors.Is compares with.
type Code uint16

// String returns the C name, VIX_E_..., or the number of a code that is not known.
func (c Code) String() string {
	if name, known := codeNames[c]; known {
		return name
	}
	return fmt.Sprintf("VixError(%d)", uint16(c))
}

// Error returns the C name.
func (c Code) Error() string {
	return c.String()
}

// Error is a call of the library that failed.
type Error struct {
	// Code tells programs what went wrong.
	Code Code
	// Text tells people: the text of the code, and what failed behind it.
	Text string
	// Detail is what failed behind the code: function, file, place and cause; "" when the library does not tell.
	Detail string
}

// Error returns the text.
func (e *Error) Error() string {
	return e.Text
}

// Is compares with a Code, and with the errors of io/fs that mean the same.
func (e *Error) Is(target error) bool {
	if code, isCode := target.(Code); isCode {
		return code == e.Code
	}
	switch e.Code {
	case ErrFileNotFound:
		return target == fs.ErrNotExist
	case ErrFileAlreadyExists:
		return target == fs.ErrExist
	case ErrFileAccessError:
		return target == fs.ErrPermission
	}
	return false
}

// What stands between the text of a code and the detail behind it.
const beforeDetail = ": VixDiskLib_"

func newError(result C.VixError, text string) *Error {
	if text == "" {
		text = fmt.Sprintf("error %d", uint64(result))
	}
	detail := ""
	if place := strings.Index(text, beforeDetail); place >= 0 {
		detail = text[place+2:]
	}
	return &Error{Code: Code(result & 0xFFFF), Text: text, Detail: detail}
}

// call makes one call of C, and an error of what it returns. Both on one thread: the library keeps details for the
// thread that failed.
func call(function func() C.VixError) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	result := function()
	if result == C.VIX_OK {
		return nil
	}
	return errorOf(result)
}

// errorOf asks the library for the text of a code.
func errorOf(result C.VixError) *Error {
	text := C.VixDiskLib_GetErrorText(result, nil)
	defer C.VixDiskLib_FreeErrorText(text)
	return newError(result, C.GoString(text))
}

func errorOfCode(code Code) *Error {
	return errorOf(C.VixError(code))
}
