-- The same for every kind of bulkhead.dev that has a status. No library is used: argocd-cm offers neither string nor math.
local hs = { status = "Progressing", message = "Waiting for Bulkhead to look at it" }
if obj.status == nil or obj.status.observedGeneration == nil then
  return hs
end
-- Conditions speak of the generation that was observed, and of no other.
if obj.metadata.generation ~= nil and obj.status.observedGeneration ~= obj.metadata.generation then
  hs.message = "Waiting for Bulkhead to look at the latest generation"
  return hs
end
local conditions = {}
if obj.status.conditions ~= nil then
  for _, condition in ipairs(obj.status.conditions) do
    conditions[condition.type] = condition
  end
end
local function is(kind, status)
  return conditions[kind] ~= nil and conditions[kind].status == status
end
local function told(health, kind)
  local condition = conditions[kind]
  return { status = health, message = (condition.reason or kind) .. ": " .. (condition.message or "") }
end
-- Stalled, Waiting and Reconciling are there only while True; Waiting comes with Reconciling, so it goes first.
if is("Stalled", "True") then
  return told("Degraded", "Stalled")
end
if is("Waiting", "True") then
  return told("Suspended", "Waiting")
end
if is("Reconciling", "True") then
  return told("Progressing", "Reconciling")
end
if is("Ready", "True") then
  return told("Healthy", "Ready")
end
if is("Ready", "False") then
  return told("Progressing", "Ready")
end
return hs
