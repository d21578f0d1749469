/* Scalar types of the VixDiskLib interface.
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */
#ifndef VIXEN_VM_BASIC_TYPES_H
#define VIXEN_VM_BASIC_TYPES_H

#include <stdint.h>

typedef uint8_t uint8;
typedef uint16_t uint16;
typedef uint32_t uint32;
typedef uint64_t uint64;
typedef int8_t int8;
typedef int16_t int16;
typedef int32_t int32;
typedef int64_t int64;

/* One byte: zero is false, everything else is true. */
typedef char Bool;

#ifndef FALSE
#define FALSE 0
#endif

#ifndef TRUE
#define TRUE 1
#endif

#endif /* VIXEN_VM_BASIC_TYPES_H */
