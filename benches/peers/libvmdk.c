/* A peer of `make bench`: libvmdk, the C library. The same commands as in benches/bench.c.
 *
 * usage: libvmdk seq DISK SECONDS | rnd DISK SECONDS OFFSETS | cat DISK
 *
 * SPDX-License-Identifier: Apache-2.0 OR MIT */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libvmdk.h>

#define LARGE 1048576
#define SMALL 4096

static libvmdk_handle_t *disk;

static void die(const char *what, libvmdk_error_t *error)
{
    fprintf(stderr, "libvmdk: %s\n", what);
    if (error != NULL)
        libvmdk_error_backtrace_fprint(error, stderr);
    exit(1);
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static uint64_t disk_open(const char *path)
{
    libvmdk_error_t *error = NULL;
    size64_t size;

    if (libvmdk_handle_initialize(&disk, &error) != 1 ||
        libvmdk_handle_open(disk, path, LIBVMDK_OPEN_READ, &error) != 1 ||
        libvmdk_handle_open_extent_data_files(disk, &error) != 1 ||
        libvmdk_handle_get_media_size(disk, &size, &error) != 1)
        die(path, error);
    return size;
}

static void read_at(uint8_t *buffer, size_t length, uint64_t offset)
{
    libvmdk_error_t *error = NULL;

    if (libvmdk_handle_read_buffer_at_offset(disk, buffer, length, (off64_t)offset, &error) != (ssize_t)length)
        die("reading", error);
}

static uint64_t first_word(const uint8_t *data)
{
    uint64_t word;

    memcpy(&word, data, sizeof word);
    return word;
}

static uint64_t *offsets_of(const char *path, size_t *count)
{
    FILE *file = fopen(path, "rb");
    uint64_t *offsets;

    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        die(path, NULL);
    *count = (size_t)ftell(file) / sizeof *offsets;
    offsets = malloc(*count * sizeof *offsets);
    rewind(file);
    if (offsets == NULL || fread(offsets, sizeof *offsets, *count, file) != *count)
        die(path, NULL);
    fclose(file);
    return offsets;
}

static uint64_t sequential(uint8_t *buffer, uint64_t size)
{
    uint64_t sum = 0, at;

    for (at = 0; at < size; at += LARGE) {
        read_at(buffer, LARGE, at);
        sum += first_word(buffer);
    }
    return sum;
}

static uint64_t random_reads(uint8_t *buffer, const uint64_t *offsets, size_t count)
{
    uint64_t sum = 0;
    size_t i;

    for (i = 0; i < count; i++) {
        read_at(buffer, SMALL, offsets[i]);
        sum += first_word(buffer);
    }
    return sum;
}

static void cat(uint8_t *buffer, uint64_t size)
{
    uint64_t at;

    for (at = 0; at < size; at += LARGE) {
        read_at(buffer, LARGE, at);
        if (fwrite(buffer, 1, LARGE, stdout) != LARGE)
            die("standard output", NULL);
    }
}

int main(int argc, char **argv)
{
    static uint8_t buffer[LARGE];
    uint64_t size, sum, *offsets = NULL;
    size_t count = 0;
    double began, least, passes = 0;

    if (argc < 3)
        die("usage: libvmdk seq DISK SECONDS | rnd DISK SECONDS OFFSETS | cat DISK", NULL);
    memset(buffer, 0xff, sizeof buffer);
    size = disk_open(argv[2]);
    if (strcmp(argv[1], "cat") == 0) {
        cat(buffer, size);
        return 0;
    }
    if (strcmp(argv[1], "rnd") == 0 && argc == 5)
        offsets = offsets_of(argv[4], &count);
    else if (strcmp(argv[1], "seq") != 0 || argc != 4)
        die("unknown command", NULL);
    least = atof(argv[3]);
    began = now();
    do {
        sum = offsets == NULL ? sequential(buffer, size) : random_reads(buffer, offsets, count);
        passes++;
    } while (now() - began < least);
    printf("%.9f\t%llu\n", (now() - began) / passes, (unsigned long long)sum);
    return 0;
}
