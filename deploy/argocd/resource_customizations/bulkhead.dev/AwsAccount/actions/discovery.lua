-- A revision that waits for the account's owner can be taken.
local available = false
for _, condition in ipairs(obj.status ~= nil and obj.status.conditions or {}) do
  if condition.type == "UpdateAvailable" and condition.status == "True" then
    available = true
  end
end
local labels = obj.metadata.labels or {}
local actions = {}
actions["upgrade"] = { ["disabled"] = not available or labels["bulkhead.dev/upgrade"] == "now" }
return actions
