---@meta
-- What tidemill gives to scripts, for editors that speak with lua-language-server: add the folder of
-- this file to "Lua.workspace.library". Nothing here is run.

---A record: behaves like a table in field order. `r.name`, `r["two words"]`; assigning changes a field
---in place or appends it, `= nil` deletes it; `pairs(r)` goes in field order and allows assigning and
---deleting on the way; `#r` is the number of fields. Records without a CSV header have `r[i]`.
---
---It lives until the function returns: `tidemill.copy(r)` keeps one. `next`, `rawget` and modules
---written in C want `tidemill.table(r)`.
---@class tidemill.record: userdata
---@field [string] any
---@field [integer] any
---@operator len: integer

---An integer beyond int64, or a number beyond a float, with its own digits. Equal digits are one value.
---Arithmetic is that of floats, string methods work on the digits.
---@class tidemill.wide: userdata
---@operator add(number|tidemill.wide): number
---@operator sub(number|tidemill.wide): number
---@operator mul(number|tidemill.wide): number
---@operator div(number|tidemill.wide): number
---@operator mod(number|tidemill.wide): number
---@operator pow(number|tidemill.wide): number
---@operator idiv(number|tidemill.wide): number
---@operator unm: number
---@operator concat(string|number): string

---Where a record comes from. In `batch` it speaks of the first record.
---@class tidemill.ctx
---@field index integer  number of the record in the whole job, from 1
---@field file string  name of the input file
---@field line integer  line in that file at which the record begins, from 1
---@field params table<string, any>  `transform.params` of the job file
---@field worker integer  number of this worker, from 1; results must not depend on it

---What `setup` is given.
---@class tidemill.job
---@field params table<string, any>  `transform.params` of the job file
---@field worker integer  number of this worker, from 1

---What a function may return for a record: a record, or `true` for the one it was given; `nil` or
---`false` to drop it; several records, or a sequence of them. `return nil, "why"` fails the record.
---@alias tidemill.result tidemill.record|table|boolean|nil

---What a script returns, unless it returns the function for records alone.
---@class tidemill.script
---@field setup? fun(job: tidemill.job)  once in each worker, before its first record
---@field record? fun(r: tidemill.record, ctx: tidemill.ctx): tidemill.result, ...
---@field batch? fun(records: tidemill.record[], ctx: tidemill.ctx): tidemill.result[], string?
---@field teardown? fun()  at a worker's normal end; an error in it fails the job

---@class tidemilllib
---The null of JSON. True in conditions: compare with `==`. Assign it to write a null.
---@field null lightuserdata
---`transform.params` of the job file.
---@field params table<string, any>
---@field version string
---Functions that the host program registered.
---@field host table<string, function>
tidemill = {}

---Write records now, before what the function returns. They are taken back if it fails.
---@param record tidemill.record|table
---@param ... tidemill.record|table
function tidemill.emit(record, ...) end

---A copy that lives on when the function has returned: of a record or of a nested value. Numbers,
---strings and the like are given back as they are.
---@generic T
---@param value T
---@return T
function tidemill.copy(value) end

---A record with its fields in the order given: `tidemill.record{{"a", 1}, {"b", 2}}`. A nil leaves
---the field out.
---@param pairs {[1]: string, [2]: any}[]
---@return tidemill.record
function tidemill.record(pairs) end

---Mark a plain table as an array, so that it is one when it is empty too. It stays a plain table.
---@generic T: table
---@param t? T
---@return T
function tidemill.array(t) end

---Mark a plain table as an object. `tidemill.object{}` is the empty record.
---@generic T: table
---@param t? T
---@return T
function tidemill.object(t) end

---A record or nested value as plain tables, deeply; anything else is given back as it is. Arrays and
---empty objects are marked as what they are.
---@param value any
---@return any
function tidemill.table(value) end

---The bytes of a field as they came: `"1.50"` of a number, the content of a string or of a CSV cell,
---the text of a nested value. nil when there is no such field.
---@param r tidemill.record
---@param key string|integer
---@return string?
function tidemill.text(r, key) end

---Iterate in the order of the keys, numbers before strings: `for k, v in tidemill.sorted(t) do`.
---@param t table|tidemill.record
---@return fun(): any, any
function tidemill.sorted(t) end

---One line to standard error, in record order; arguments as `print` has them.
---@param ... any
function tidemill.log(...) end

return tidemill
