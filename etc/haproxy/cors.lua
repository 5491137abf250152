-- Asks the decision service about a request, and keeps its headers for the answer: http-request lua.cors-decide POLICY

local ask = "http://127.0.0.1:8001/v1/forward-auth/" -- the `listen cors_ask` of haproxy.cfg

local kept = {
    ["access-control-allow-origin"] = "txn.cors_allow_origin",
    ["access-control-allow-credentials"] = "txn.cors_allow_credentials",
    ["access-control-expose-headers"] = "txn.cors_expose_headers",
    ["timing-allow-origin"] = "txn.cors_timing",
    ["cross-origin-resource-policy"] = "txn.cors_resource_policy",
    ["vary"] = "txn.cors_vary",
}

-- All lines of a header, counted from 1.
local function lines(headers, name)
    local found = {}
    for number, value in pairs(headers[name] or {}) do
        found[number + 1] = value
    end
    return found
end

core.register_action("cors-decide", {"http-req"}, function(txn, policy)
    local received = txn.http:req_get_headers()
    local answer = core.httpclient():get{
        url = ask .. policy,
        -- Only what a decision needs: the client's cookies may be longer than the service's limit.
        headers = {
            ["origin"] = lines(received, "origin"),
            ["x-forwarded-method"] = {txn.f:method()},
            ["x-forwarded-proto"] = {txn.f:ssl_fc() == 1 and "https" or "http"},
            ["x-forwarded-host"] = lines(received, "host"),
            ["x-forwarded-uri"] = {txn.f:pathq()},
        },
    }
    txn:set_var("txn.cors_vary", "Origin")
    if answer.status ~= 200 or not answer.headers["cors-decision"] then
        return -- no decision: the site still works, without CORS headers
    end
    txn:unset_var("txn.cors_vary")
    for name, variable in pairs(kept) do
        if answer.headers[name] then
            txn:set_var(variable, answer.headers[name][0])
        end
    end
end, 1)
