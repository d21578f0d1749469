package vixdisklib

// #include "shim.h"
import "C"

import "unsafe"

// Limits of the allocation map.
const (
	MinChunk  = C.VIXDISKLIB_MIN_CHUNK_SIZE   // smallest chunk in sectors
	MaxChunk  = C.VIXDISKLIB_MAX_CHUNK_SIZE   // largest chunk in sectors
	maxChunks = C.VIXDISKLIB_MAX_CHUNK_NUMBER // most chunks of one question
)

// Block is a run of allocated sectors.
type Block struct {
	// Offset is its first sector, counted from the start of the disk.
	Offset uint64
	// Length is its number of sectors.
	Length uint64
}

// AllocatedBlocks lists the allocated runs of a range of sectors: in their order, disjoint and as long as possible.
// What is not listed reads as zeros; of a disk opened as a single link it is left to the parent. The chunk tells how
// fine the runs are, in sectors, MinChunk to MaxChunk, 0 for the former; start is best a multiple of it.
func (d *Disk) AllocatedBlocks(start, count, chunk uint64) ([]Block, error) {
	var blocks []Block
	err := d.WalkAllocatedBlocks(start, count, chunk, func(block Block) error {
		blocks = append(blocks, block)
		return nil
	})
	return blocks, err
}

// WalkAllocatedBlocks calls a function with each run that AllocatedBlocks lists, without a list of all of them. It
// ends with the first error of the function.
func (d *Disk) WalkAllocatedBlocks(start, count, chunk uint64, use func(Block) error) error {
	if chunk == 0 {
		chunk = MinChunk
	}
	var last Block
	for count > 0 {
		sectors := count
		if sectors/chunk >= maxChunks {
			sectors = chunk * maxChunks
		}
		blocks, err := d.query(start, sectors, chunk)
		if err != nil {
			return err
		}
		for _, block := range blocks {
			if last.Length > 0 && last.Offset+last.Length == block.Offset {
				last.Length += block.Length // as at the border of two questions
				continue
			}
			if last.Length > 0 {
				if err := use(last); err != nil {
					return err
				}
			}
			last = block
		}
		start, count = start+sectors, count-sectors
	}
	if last.Length > 0 {
		return use(last)
	}
	return nil
}

// query asks the library once.
func (d *Disk) query(start, count, chunk uint64) ([]Block, error) {
	var list *C.VixDiskLibBlockList
	if err := d.use(func() C.VixError {
		return C.shim_blocks(d.number, C.uint64_t(start), C.uint64_t(count), C.uint64_t(chunk), &list)
	}); err != nil {
		return nil, err
	}
	defer C.VixDiskLib_FreeBlockList(list)
	blocks := make([]Block, list.numBlocks)
	for i, block := range unsafe.Slice(&list.blocks[0], len(blocks)) {
		blocks[i] = Block{uint64(block.offset), uint64(block.length)}
	}
	return blocks, nil
}
