-- Runs the first gate again that is over and has no verdict: stage/gate@attempt; what follows a # makes the words new.
local os = require("os")
local status = obj.status or {}
local attempt = status.attempt
if attempt == nil or attempt.outcome ~= nil then
  error("no attempt is under way", 0)
end
local states = {}
for _, stage in ipairs(status.stages or {}) do
  states[stage.name] = stage
end
-- The stage at hand, and the one before it, which goes on measuring until that starts.
local candidates = {}
for _, stage in ipairs(attempt.stages or {}) do
  local state = states[stage.name]
  if state ~= nil and state.state ~= "Succeeded" and state.state ~= "Skipped" then
    table.insert(candidates, 1, state)
    break
  end
  candidates = { state }
end
for _, state in ipairs(candidates) do
  for _, gate in ipairs(state.gates or {}) do
    if gate.verdict == "Inconclusive" and not gate.dryRun then
      if obj.metadata.annotations == nil then
        obj.metadata.annotations = {}
      end
      obj.metadata.annotations["bulkhead.dev/reverify"] = state.name .. "/" .. gate.name .. "@" .. attempt.id
        .. "#" .. os.date("!%Y-%m-%dT%XZ")
      return obj
    end
  end
end
error("no gate is without a verdict", 0)
