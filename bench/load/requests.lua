-- The requests of one wrk run. Arguments: the corpus (a JSON string literal a line), path, model, mode, the number of
-- texts in the cached set, and how many live texts were sent before. Answers with one line of JSON.
local literals, cached = {}, {}
local path, model, mode, live
local count = 0

local function request_of(n)
  local index = n % #literals
  local turn = (n - index) / #literals
  local open = literals[index + 1]
  if turn > 0 then open = open .. ' ' .. turn end
  return wrk.format('POST', path, nil, '{"model_id":"' .. model .. '","text":' .. open .. '"}')
end

function init(args)
  path, model, mode = args[2], args[3], args[4]
  live = tonumber(args[5]) + tonumber(args[6])
  wrk.headers['content-type'] = 'application/json'
  -- Without the closing quote, so that a last word can be added.
  for line in io.lines(args[1]) do literals[#literals + 1] = line:sub(1, -2) end
  for n = 0, tonumber(args[5]) - 1 do cached[n + 1] = request_of(n) end
  math.randomseed(20)
end

local function next_live()
  live = live + 1
  return request_of(live - 1)
end

-- Twelve columns of a loan request, as they are stored of applicant a-1001.
local profile = '"checking_status":"no_checking_account","credit_history":"critical_or_other_credits",' ..
  '"savings":"100_to_500","employment":"1_to_4_years","residence_years":2,"property":"real_estate","age":30,' ..
  '"housing":"own","existing_credits":2,"job":"skilled","dependants":1,"telephone":"none"'

-- No two amounts are equal, so no two requests are.
local function loan_of(n)
  local who = mode == 'tabular' and ('"applicant_id":"a-' .. (1001 + n % 200) .. '"') or profile
  return wrk.format('POST', path, nil, '{"rows":[{' .. who .. ',"amount":' .. (250 + n / 8) .. ',"duration_months":18,' ..
    '"purpose":"education","installment_rate":4,"other_debtors":"none","other_installment_plans":"none"}]}')
end

local function next_loan()
  live = live + 1
  return loan_of(live - 1)
end

function request()
  count = count + 1
  if mode == 'tabular' or mode == 'tabular-given' then return next_loan() end
  if mode == 'get' then return wrk.format('GET', path) end
  if mode == 'cached' or (mode == 'mixed' and count % 2 == 0) then return cached[math.random(#cached)] end
  return next_live()
end

function done(summary, latency)
  local percentiles = {}
  for _, p in ipairs({1, 5, 10, 25, 50, 75, 90, 95, 98, 99, 99.5, 99.9}) do
    percentiles[#percentiles + 1] = string.format('"%g":%.3f', p, latency:percentile(p) / 1000)
  end
  local e = summary.errors
  io.write(string.format(
    '\nRESULT {"requests":%d,"seconds":%.4f,"errors":{"status":%d,"timeout":%d,"broken":%d},"maxMs":%.3f,"percentilesMs":{%s}}\n',
    summary.requests, summary.duration / 1e6, e.status, e.timeout, e.connect + e.read + e.write,
    latency.max / 1000, table.concat(percentiles, ',')))
end
