/*
 * tidemill version
 */
#include "cli/cli.h"

int tm_command_version(struct options *o)
{
    (void)o;
    printf("tidemill %s\n", tidemill_version());
    return EXIT_DONE;
}
