-- Asks the decision service about a request, and keeps its headers for the answer: http-request lua.cors-decide POLICY.
-- For a policy with a guard, http-request lua.cors-guard POLICY: it also answers what the guard refuses.

local service = "http://127.0.0.1:8001" -- the `listen cors_ask` of haproxy.cfg

local kept = {
    ["access-control-allow-origin"] = "txn.cors_allow_origin",
    ["access-control-allow-credentials"] = "txn.cors_allow_credentials",
    ["access-control-expose-headers"] = "txn.cors_expose_headers",
    ["timing-allow-origin"] = "txn.cors_timing",
    ["cross-origin-resource-policy"] = "txn.cors_resource_policy",
    ["vary"] = "txn.cors_vary",
}

-- What a guard looks at, besides what every decision needs; Accept says in which form a refusal is to be. HAProxy's
-- HTTP client sends no Upgrade: Sec-WebSocket-Version stands for it.
local guarded = { "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "sec-websocket-version", "accept" }

-- All lines of a header, counted from 1.
local function lines(headers, name)
    local found = {}
    for number, value in pairs(headers[name] or {}) do
        found[number + 1] = value
    end
    return found
end

-- Only what a decision needs: the client's cookies may be longer than the service's limit.
local function facts(txn, received)
    return {
        ["origin"] = lines(received, "origin"),
        ["x-forwarded-method"] = {txn.f:method()},
        ["x-forwarded-proto"] = {txn.f:ssl_fc() == 1 and "https" or "http"}, -- https behind what ends TLS
        ["x-forwarded-host"] = lines(received, "host"),
        ["x-forwarded-uri"] = {txn.f:pathq()},
    }
end

local function keep(txn, answer)
    txn:unset_var("txn.cors_vary")
    for name, variable in pairs(kept) do
        if answer.headers[name] then
            txn:set_var(variable, answer.headers[name][0])
        end
    end
end

core.register_action("cors-decide", {"http-req"}, function(txn, policy)
    local answer = core.httpclient():get{
        url = service .. "/v1/forward-auth/" .. policy,
        headers = facts(txn, txn.http:req_get_headers()),
    }
    txn:set_var("txn.cors_vary", "Origin")
    if answer.status ~= 200 or not answer.headers["cors-decision"] then
        return -- no decision: the site still works, without CORS headers
    end
    keep(txn, answer)
end, 1)

core.register_action("cors-guard", {"http-req"}, function(txn, policy)
    local received = txn.http:req_get_headers()
    local asked = facts(txn, received)
    for _, name in ipairs(guarded) do
        asked[name] = lines(received, name)
    end
    local answer = core.httpclient():get{ url = service .. "/v1/enforce/" .. policy, headers = asked }
    txn:set_var("txn.cors_vary", "Origin")
    local decided = answer.headers and answer.headers["cors-decision"]
    if decided and answer.status == 200 then
        keep(txn, answer)
        txn:set_var("txn.cors_passed", true)
    elseif decided and answer.status == 403 then
        keep(txn, answer)
        local refusal = txn:reply{ status = 403, body = answer.body }
        refusal:add_header("content-type", answer.headers["content-type"][0])
        txn:done(refusal)
    end
    -- Otherwise there is no decision: the rule behind this action refuses what has not passed.
end, 1)
