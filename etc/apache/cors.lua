-- How Apache asks the decision service about a request. `LuaHookAccessChecker cors.lua decide early` runs this.

local socket = require "socket"

local SERVICE = { "127.0.0.1:8080", "127.0.0.1:8081" } -- the decision service: two instances, so that one can restart
local SECONDS = 0.2 -- to wait for an answer of each
local DECIDED = {
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-allow-methods",
    "access-control-allow-headers",
    "access-control-expose-headers",
    "access-control-max-age",
    "timing-allow-origin",
    "cross-origin-resource-policy",
}

local ASKED = { "Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers" }
-- What a guard looks at; Accept says in which form a refusal is to be.
local GUARDED = { "Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Upgrade", "Accept" }

-- The instance that answered last, and the connection to it that is kept open: one for each interpreter, see LuaScope.
local turn = 1
local kept

-- Limits the next operation to the time that is left. A negative timeout would mean no limit.
local function limit(tcp, deadline)
    tcp:settimeout(math.max(deadline - socket.gettime(), 0))
end

local function connect(deadline)
    local host, port = SERVICE[turn]:match("(.+):(%d+)")
    local tcp = assert(socket.tcp())
    limit(tcp, deadline)
    assert(tcp:connect(host, port))
    tcp:setoption("tcp-nodelay", true)
    return tcp
end

local function receive(tcp, deadline)
    limit(tcp, deadline)
    return assert(tcp:receive("*l"))
end

-- Sends a question and reads the answer. Raises an error if it is not a decision.
local function exchange(tcp, question, deadline)
    limit(tcp, deadline)
    assert(tcp:send(question))
    local status = tonumber(receive(tcp, deadline):match("^HTTP/1%.1 (%d%d%d) "))
    assert(status == 200 or status == 204 or status == 403, "the service did not decide")
    local answer, line = {}, receive(tcp, deadline)
    while line ~= "" do
        local name, value = line:match("^([^:%s]+):%s*(.-)%s*$")
        answer[assert(name, "the service did not answer headers"):lower()] = value
        line = receive(tcp, deadline)
    end
    local length = status == 204 and 0 or tonumber(answer["content-length"]) -- a 204 has no body, and needs no length
    assert(answer["cors-decision"] and length, "what answered is not the decision service")
    answer.status = status
    if length > 0 then
        limit(tcp, deadline)
        answer.body = assert(tcp:receive(length))
    end
    return answer
end

local function ask_one(question)
    local deadline = socket.gettime() + SECONDS
    local tcp = kept
    kept = nil -- until it is known to work for another request
    if tcp then
        -- The service may have closed the kept connection meanwhile. Only then is a missing answer not a failure.
        local ok, answer = pcall(exchange, tcp, question, deadline)
        if ok then
            kept = tcp
            return answer
        end
        tcp:close()
    end
    tcp = connect(deadline)
    local ok, answer = pcall(exchange, tcp, question, deadline)
    if ok then
        kept = tcp
        return answer
    end
    tcp:close()
    error(answer, 0)
end

local function ask(question)
    local ok, answer
    for _ = 1, #SERVICE do
        ok, answer = pcall(ask_one, question)
        if ok then
            return answer
        end
        turn = turn % #SERVICE + 1
    end
    error(answer, 0)
end

-- Begins the question about a preflight.
local function ask_about_preflight(lines, r, policy)
    -- The path as it came: httpd has decoded r.uri.
    local path = r.unparsed_uri:match("^%a+://[^/?]*([^?]*)") or r.unparsed_uri:match("^[^?]*")
    table.insert(lines, 1, "OPTIONS /v1/preflight/" .. policy .. path .. " HTTP/1.1")
    table.insert(lines, "Host: " .. (r.headers_in["Host"] or ""))
end

-- Begins the question about any other request, at one of the service's endpoints.
local function ask_about_request(lines, r, endpoint, policy)
    table.insert(lines, 1, "GET /v1/" .. endpoint .. "/" .. policy .. " HTTP/1.1")
    table.insert(lines, "Host: " .. SERVICE[turn])
    table.insert(lines, "X-Forwarded-Method: " .. r.method)
    table.insert(lines, "X-Forwarded-Proto: " .. (r.is_https and "https" or "http")) -- https behind what ends TLS
    table.insert(lines, "X-Forwarded-Host: " .. (r.headers_in["Host"] or ""))
    table.insert(lines, "X-Forwarded-Uri: " .. r.unparsed_uri)
end

-- Sets the headers of the decision, whoever answers. Without a decision the site still works, without CORS headers;
-- where CORS_GUARD is set it does not, and what the guard refuses is answered here.
function decide(r)
    local policy = r.subprocess_env["CORS_POLICY"]
    -- An ErrorDocument keeps what was decided: it has neither the method nor the URL of the request that failed.
    local is_error = r.subprocess_env["CORS:asked"] and tonumber(r.subprocess_env["REDIRECT_STATUS"] or 0) >= 400
    if not policy or is_error then
        return apache2.DECLINED
    end
    r.subprocess_env["CORS:asked"] = "1"
    local received = r.headers_in
    local origin, asked = received["Origin"] or "", received["Access-Control-Request-Method"] or ""
    local is_preflight = r.method == "OPTIONS" and origin ~= "" and asked ~= ""
    local is_guarded = not is_preflight and r.subprocess_env["CORS_GUARD"]
    local lines = {}
    if is_preflight then
        ask_about_preflight(lines, r, policy)
    else
        ask_about_request(lines, r, is_guarded and "enforce" or "forward-auth", policy)
    end
    -- Nothing else from the client: its cookies may be longer than the service's limit.
    for _, name in ipairs(is_preflight and ASKED or is_guarded and GUARDED or { "Origin" }) do
        if received[name] then
            table.insert(lines, name .. ": " .. received[name])
        end
    end
    local ok, answer = pcall(ask, table.concat(lines, "\r\n") .. "\r\n\r\n")
    if not ok then
        r:warn("No CORS headers: " .. tostring(answer))
        answer = { status = 503, vary = "Origin" } -- with the service, the answer would depend on the origin
    end
    -- cors.conf sets the other headers, once the application has answered: it may write into the same table.
    r.err_headers_out["vary"] = answer.vary
    for _, name in ipairs(DECIDED) do
        r.subprocess_env["CORS:" .. name] = answer[name]
    end
    if is_preflight or (is_guarded and answer.status ~= 200) then
        r.status = answer.status
        for _, name in ipairs(DECIDED) do
            r.err_headers_out[name] = answer[name]
        end
        if answer.body then
            r.content_type = answer["content-type"]
            r:write(answer.body)
        end
        return apache2.DONE
    end
    return apache2.DECLINED
end
