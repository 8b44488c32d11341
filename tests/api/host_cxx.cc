// A host in C++: the header compiles with its compiler and its names link as C's.
#include <cstdio>
#include <cstring>
#include <string>

#include <tidemill.h>

static int append(void *context, const char *data, size_t length)
{
    static_cast<std::string *>(context)->append(data, length);
    return 0;
}

static bool twice(tidemill_job *job, std::string &out, tidemill_error &error)
{
    if (tidemill_job_set(job, "input.format", "jsonl", &error) != TIDEMILL_OK ||
        tidemill_job_set(job, "transform.each", "r.x = r.x * 2", &error) != TIDEMILL_OK ||
        tidemill_job_open(job, &error) != TIDEMILL_OK)
        return false;
    tidemill_run *run = tidemill_run_new(job, nullptr, &error);
    if (!run)
        return false;
    const char in[] = "{\"x\":21}\n";
    bool done = tidemill_run_input_push(run, "in", &error) == TIDEMILL_OK &&
                tidemill_run_push(run, in, strlen(in), &error) == static_cast<ptrdiff_t>(strlen(in)) &&
                tidemill_run_push_end(run, &error) == TIDEMILL_OK &&
                tidemill_run_output_callback(run, append, &out, &error) == TIDEMILL_OK &&
                tidemill_run_wait(run, &error) == TIDEMILL_OK;
    tidemill_run_free(run);
    return done;
}

int main()
{
    tidemill_error error = {};
    std::string out;
    tidemill_job *job = tidemill_job_new();
    bool done = twice(job, out, error);
    tidemill_job_free(job);
    if (done && out == "{\"x\":42}\n")
        return 0;
    fprintf(stderr, "%s %s\n", error.message, out.c_str());
    return 1;
}
