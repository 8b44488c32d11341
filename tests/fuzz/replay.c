/*
 * Runs a fuzz target over files, without a fuzzer: what once broke it is replayed by every build.
 * Arguments are files and folders of files; folders are not searched any deeper.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long replayed;

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = NULL;
    size_t size = 0, room = 0;
    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 1;
    }
    do {
        if (size == room) {
            room = room ? 2 * room : 4096;
            data = realloc(data, room);
            if (data == NULL)
                abort();
        }
        size += fread(data + size, 1, room - size, file);
    } while (size == room);
    fclose(file);
    /* A block of exactly this size, so that reading past its end is seen. */
    uint8_t *exact = malloc(size ? size : 1);
    if (exact == NULL)
        abort();
    memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    free(data);
    replayed++;
    return 0;
}

static int replay(const char *path)
{
    DIR *folder = opendir(path);
    int failed = 0;
    if (folder == NULL)
        return errno == ENOTDIR ? replay_file(path) : errno != ENOENT;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char name[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        failed |= replay_file(name);
    }
    closedir(folder);
    return failed;
}

int main(int argc, char **argv)
{
    int failed = LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++)
        failed |= replay(argv[i]);
    printf("%lu files replayed\n", replayed);
    return failed != 0;
}
