-- Runs the first gate of this moment again that is over and has no verdict: stage/gate@attempt; what follows a # makes the words new.
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
-- The point that the gates of a stage are at, and the wave.
local function point(state, lingers)
  if state.startedAt == nil then
    return "BeforeStage"
  end
  local before
  for _, wave in ipairs(state.waves or {}) do
    if wave.state == "Verifying" then
      return "AfterWave", wave.name
    elseif wave.state == "Baking" then
      return "DuringBake", wave.name
    elseif wave.state == "Pending" and before ~= nil then
      return "DuringBake", before
    elseif wave.state ~= "Succeeded" then
      return nil
    end
    before = wave.name
  end
  if lingers then
    return "DuringBake", before
  end
  return "AfterStage"
end

-- The stage at hand, and the one before it, which goes on measuring until that starts.
local candidates = {}
for _, stage in ipairs(attempt.stages or {}) do
  local state = states[stage.name]
  if state ~= nil and state.state ~= "Succeeded" and state.state ~= "Skipped" then
    table.insert(candidates, 1, { state = state, lingers = false })
    break
  end
  candidates = state ~= nil and { { state = state, lingers = true } } or {}
end
for _, candidate in ipairs(candidates) do
  local state = candidate.state
  local here, wave = point(state, candidate.lingers)
  for _, gate in ipairs(state.gates or {}) do
    if gate.verdict == "Inconclusive" and not gate.dryRun and gate.runAt == here and (wave == nil or gate.wave == wave) then
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
