-- What wrk sends. Arguments: a file; the first of the numbers that no other run uses; how many queries a batch has, or 0.
--
-- The file has requests, separated by NUL, which are sent in turn, with a number that was never used before in place of
-- each `########`. For batches it has queries, and each batch is made of some of them by chance: its queries come again
-- and again, but no batch does. What was measured is printed as one line of JSON.

local items, last, number, size = {}, 0, 0, 0

local function another()
  number = number + 1
  return string.format("%08d", number)
end

local function numbered(text)
  if text:find("########", 1, true) then
    return (text:gsub("########", another))
  end
  return text
end

local function batch()
  local queries = {}
  for place = 1, size do
    queries[place] = numbered(items[math.random(#items)])
  end
  local body = '{"queries": [' .. table.concat(queries, ", ") .. "]}"
  return string.format(
    "POST /v1/decisions HTTP/1.1\r\nHost: cors.localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
    #body, body
  )
end

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  for one in (file:read("*a") .. "\0"):gmatch("([^%z]+)%z") do
    items[#items + 1] = one
  end
  file:close()
  number, size = tonumber(arguments[2]), tonumber(arguments[3])
  math.randomseed(number)
end

function request()
  if size > 0 then
    return batch()
  end
  last = last % #items + 1
  return numbered(items[last])
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests": %d, "seconds": %.6f, "bytes": %d, "broken": %d, "refused": %d, "p50": %.6f, "p99": %.6f}',
    summary.requests, summary.duration / 1e6, summary.bytes,
    errors.connect + errors.read + errors.write + errors.timeout, errors.status,
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6
  ))
end
