-- How Apache asks the decision service about a request. `LuaHookAccessChecker cors.lua decide early` runs this.

local socket = require "socket"

local HOST, PORT = ("127.0.0.1:8080"):match("(.+):(%d+)") -- the decision service
local SECONDS = 0.2 -- to wait for an answer
local DECIDED = {
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-expose-headers",
    "timing-allow-origin",
    "cross-origin-resource-policy",
    "vary",
}

-- The connection that is kept open: one for each interpreter, see LuaScope.
local kept

-- Limits the next operation to the time that is left. A negative timeout would mean no limit.
local function limit(tcp, deadline)
    tcp:settimeout(math.max(deadline - socket.gettime(), 0))
end

local function connect(deadline)
    local tcp = assert(socket.tcp())
    limit(tcp, deadline)
    assert(tcp:connect(HOST, PORT))
    tcp:setoption("tcp-nodelay", true)
    return tcp
end

local function receive(tcp, deadline)
    limit(tcp, deadline)
    return assert(tcp:receive("*l"))
end

-- Sends a HEAD, so that no body comes back, and reads the answer's headers. Raises an error if it is not a decision.
local function exchange(tcp, head, deadline)
    limit(tcp, deadline)
    assert(tcp:send(head))
    local status = receive(tcp, deadline)
    assert(status:find("^HTTP/1%.1 200 "), "the service did not answer 200")
    local answer, line = {}, receive(tcp, deadline)
    while line ~= "" do
        local name, value = line:match("^([^:%s]+):%s*(.-)%s*$")
        answer[assert(name, "the service did not answer headers"):lower()] = value
        line = receive(tcp, deadline)
    end
    assert(answer["cors-decision"], "what answered is not the decision service")
    return answer
end

local function ask(head)
    local deadline = socket.gettime() + SECONDS
    local tcp = kept
    kept = nil -- until it is known to work for another request
    if tcp then
        -- The service may have closed the kept connection meanwhile. Only then is a missing answer not a failure.
        local ok, answer = pcall(exchange, tcp, head, deadline)
        if ok then
            kept = tcp
            return answer
        end
        tcp:close()
    end
    tcp = connect(deadline)
    local ok, answer = pcall(exchange, tcp, head, deadline)
    if ok then
        kept = tcp
        return answer
    end
    tcp:close()
    error(answer, 0)
end

-- Sets the headers of the decision, whoever answers. Without a decision the site still works, without CORS headers.
function decide(r)
    local policy = r.subprocess_env["CORS_POLICY"]
    if not policy or r.subprocess_env["CORS_PREFLIGHT"] then
        return apache2.DECLINED
    end
    local lines = {
        "HEAD /v1/forward-auth/" .. policy .. " HTTP/1.1",
        "Host: " .. HOST,
        "X-Forwarded-Method: " .. r.method,
        "X-Forwarded-Proto: " .. (r.is_https and "https" or "http"),
        "X-Forwarded-Host: " .. (r.headers_in["Host"] or ""),
        "X-Forwarded-Uri: " .. r.unparsed_uri,
    }
    -- Nothing else from the client: its cookies may be longer than the service's limit.
    local origin = r.headers_in["Origin"]
    if origin then
        table.insert(lines, "Origin: " .. origin)
    end
    local ok, answer = pcall(ask, table.concat(lines, "\r\n") .. "\r\n\r\n")
    if not ok then
        r:warn("No CORS headers: " .. tostring(answer))
        answer = { vary = "Origin" } -- with the service, the answer would depend on the origin
    end
    -- These headers are also sent with errors, beside those of the application.
    for _, name in ipairs(DECIDED) do
        if answer[name] then
            r.err_headers_out[name] = answer[name]
        end
    end
    return apache2.DECLINED
end
