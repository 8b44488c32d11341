---@meta tidemill.json
-- require "tidemill.json": the JSON reader and writer that records go through. Nothing here is run.

---@class tidemill.jsonlib
---The same as `tidemill.null`.
---@field null lightuserdata
local json = {}

---Any JSON value: objects and arrays as plain tables, marked so that empty ones stay what they are.
---Raises an error that names the byte where the text is no JSON.
---@param text string
---@return any
function json.decode(text) end

---A value as JSON on one line; names of plain tables sorted, records in their order.
---@param value any
---@return string
function json.encode(value) end

return json
