-- What can be asked of a promotion now, as `kubectl bulkhead` sees it. Approvals are no action: the patch would be Argo CD's,
-- and nobody could tell who agreed.
local status = obj.status or {}
local annotations = obj.metadata.annotations or {}
local attempt = status.attempt
local running = attempt ~= nil and attempt.outcome == nil
local ending = running and attempt.ending ~= nil
local current = status.observedGeneration ~= nil and status.observedGeneration == obj.metadata.generation

local condition = {}
for _, one in ipairs(status.conditions or {}) do
  condition[one.type] = one.status
end

local states = {}
for _, stage in ipairs(status.stages or {}) do
  states[stage.name] = stage
end

-- The stage that the attempt is at, and the one before it.
local at, before
if running then
  for _, stage in ipairs(attempt.stages or {}) do
    local state = states[stage.name]
    if state ~= nil and state.state ~= "Succeeded" and state.state ~= "Skipped" then
      at = state
      break
    end
    before = state
  end
end
local back = at ~= nil and at.state == "RollingBack"

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

-- A gate that is over and has no verdict: somebody has to look. Not one of a wave that is past.
local function open(state, lingers)
  if state == nil then
    return false
  end
  local here, wave = point(state, lingers)
  for _, gate in ipairs(state.gates or {}) do
    if gate.verdict == "Inconclusive" and not gate.dryRun and gate.runAt == here and (wave == nil or gate.wave == wave) then
      return true
    end
  end
  return false
end

local actions = {}
actions["abort"] = {
  ["disabled"] = not running or ending or back or annotations["bulkhead.dev/abort"] == attempt.id,
}
actions["retry"] = {
  ["disabled"] = running or not current or condition["Stalled"] ~= "True" or condition["Accepted"] == "False",
}
actions["reverify"] = {
  ["disabled"] = not running or ending or back or condition["Waiting"] ~= "True"
    or status.pause == nil or status.pause.reason ~= "Inconclusive" or not (open(at, false) or open(before, true)),
}
actions["hold"] = { ["disabled"] = annotations["bulkhead.dev/hold"] ~= nil }
actions["release"] = { ["disabled"] = annotations["bulkhead.dev/hold"] == nil }
actions["reconcile"] = { ["disabled"] = false }
return actions
