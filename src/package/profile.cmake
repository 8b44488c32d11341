# What people do with tidemill, as jobs of a few thousand records. While it is built (TIDEMILL_PROFILE), a program that
# counts runs them, and the compiler lays out what is built for good by these counts.
#
#   cmake -D PROGRAM=... -D SCRATCH=... -D FROM=... -D TO=... -P profile.cmake
#
# FROM and TO are the folders of the counting and of the final objects, which have the same names. Whatever the jobs
# do not come by is compiled as without counts.
set(records 20000)

file(GLOB_RECURSE old "${FROM}/*.gcda")
file(REMOVE_RECURSE ${old} "${SCRATCH}")
file(MAKE_DIRECTORY "${SCRATCH}")

# job OUTPUT INPUT CODE OPTION...: `tidemill each`, with one worker.
function(job output input code)
  execute_process(
    COMMAND "${PROGRAM}" each -q -w 1 "${code}" ${input} -o ${output} ${ARGN}
    WORKING_DIRECTORY "${SCRATCH}" COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# Records are made from their numbers, by a generator that is seeded with them.
string(REPEAT "\n" ${records} lines)
file(WRITE "${SCRATCH}/lines.txt" "${lines}")
set(random "local function any(list) return list[math.random(#list)] end\n")
job(plain.jsonl lines.txt "${random} return tidemill.record{
  {'id', ctx.index}, {'name', 'user-' .. math.random(9999999)}, {'x', math.random(-1000000, 1000000) / 1000},
  {'y', math.random(-100000, 100000) / 1000}, {'city', any{'Lima', 'Oslo', '東京', 'São Paulo', 'Zürich'}},
  {'flag', math.random(2) == 1}, {'score', math.random(10000)}, {'note', any{'north', 'amber cedar'} .. ' drift'}}" -t jsonl)
job(nested.jsonl lines.txt "${random} return tidemill.record{
  {'id', ctx.index}, {'total', {net = math.random(1000) / 100, tax = math.random(9)}}, {'at', tidemill.null},
  {'tags', {any{'a', 'b'}, any{'c', 'd'}}}, {'text', any{'say \"hi\"', 'two\\nlines', 'a\\\\b'}}}" -t jsonl)
job(wide.jsonl lines.txt "local f = {{'x', 1.5}}
  for i = 1, ctx.index % 40 == 0 and 100 or 0 do f[#f + 1] = {'field' .. i, i} end return tidemill.record(f)" -t jsonl)
job(log.txt lines.txt "return {line = 'GET /' .. ctx.index .. ' took ' .. math.random(200) .. ' ms'}" -t text)
job(plain.csv plain.jsonl "return r")
job(quoted.csv plain.jsonl "r.note = 'say \"hi\", ' .. r.note return r")
job(plain.tsv plain.jsonl "return r")

set(count "local n = 0 for _, v in pairs(r) do if v ~= '' then n = n + 1 end end r.n = n")
foreach(kind IN ITEMS jsonl csv tsv)
  job(double.${kind} plain.${kind} "r.x = r.x * 2")
  job(sum.${kind} plain.${kind} "if r.x > r.y and r.name then r.y = r.x + r.y // 2 end")
  job(called.${kind} plain.${kind} "local x = math.abs(r.x) if x > 9 then r.x = x - 1 end")
  job(count.${kind} plain.${kind} "${count}")
  job(few.${kind} plain.${kind} "r.score < 100")
  job(same.${kind} plain.${kind} "return r")
endforeach()
job(to.jsonl plain.csv "return r")
job(to.csv plain.jsonl "return r")
job(double-quoted.csv quoted.csv "r.x = r.x * 2")
job(from-quoted.jsonl quoted.csv "return r")
job(net.jsonl nested.jsonl "r.total.net = r.total.net * 2")
job(text.jsonl nested.jsonl "r.text = r.text:upper()")
job(double-wide.jsonl wide.jsonl "r.x = r.x * 2")
job(quick.txt log.txt "local ms = r.line:match('took (%d+) ms') return tonumber(ms) < 100 and r")

file(GLOB_RECURSE counts RELATIVE "${FROM}" "${FROM}/*.gcda")
foreach(file IN LISTS counts)
  get_filename_component(folder "${TO}/${file}" DIRECTORY)
  file(MAKE_DIRECTORY "${folder}")
  file(COPY_FILE "${FROM}/${file}" "${TO}/${file}" ONLY_IF_DIFFERENT)
endforeach()
file(REMOVE_RECURSE "${SCRATCH}")
