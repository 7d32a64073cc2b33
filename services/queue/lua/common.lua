-- What every script of this folder begins with: `services.queue.scripts` puts it before each of them.
--
-- The keys of the ledger. A script names those whose job it is given in KEYS; those that follow from a row
-- (its queue, its sweeps, its dependants) it finds itself, so the ledger lives on one server, not on a cluster.
--
--   surco:job:<id>       hash     the row of a job
--   surco:jobs           zset     every job by the time it was entered
--   surco:ids            zset     every job with score 0, for ranges of names
--   surco:in:<state>     zset     jobs of a state by the time they came to it; running: by the next look at the lease
--   surco:rank:<queue>   zset     queued jobs of a queue, the one to run first foremost; with :<code> at its
--                                 end those of them that this version of the code asked for
--   surco:changed        zset     every job by the time of its last change of state
--   surco:children:<id>  hash     jobs that read this one's results -> "required" or "optional"
--   surco:needs:<id>     set      what a waiting job still waits for: a hint, the states themselves decide
--   surco:releasing      zset     jobs that ended (or came back) and whose dependants have not been told
--   surco:mirror         zset     jobs whose end is not yet written to S3, or not yet taken back there
--   surco:workers        hash     worker -> the job it runs
--   surco:open:<sweep>   set      jobs of a sweep that have not ended
--   surco:events         zset     dead jobs and ended sweeps of which nobody has been notified
--   surco:lease:<id>     string   the token of the worker that runs the job, with an expiry

local ENDED = {done = true, dead = true, cancelled = true, skipped = true}
local AGE = 600 -- seconds in the queue that weigh as much as one step of priority

local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1000000
end

local NOW = clock()
local NOW_TEXT = string.format('%.6f', NOW)

local function row(id)
  return 'surco:job:' .. id
end

local function state_of(id)
  return redis.call('HGET', row(id), 'state')
end

local function event(name)
  redis.call('ZADD', 'surco:events', NOW_TEXT, name)
  redis.call('ZREMRANGEBYRANK', 'surco:events', 0, -1001)
end

-- A job of these sweeps (ids joined by commas) has ended, or is open again.
local function count_in_sweeps(id, sweeps, ended)
  for sweep in string.gmatch(sweeps, '[^,]+') do
    local open = 'surco:open:' .. sweep
    if not ended then
      redis.call('SADD', open, id)
    elseif redis.call('SREM', open, id) == 1 and redis.call('SCARD', open) == 0 then
      event('sweep:' .. sweep .. ':' .. redis.call('HINCRBY', 'surco:sweep:' .. sweep, 'rounds', 1))
    end
  end
end

-- Give a job that is on the ledger another state and further fields (name, value, ...), and put every index
-- right that follows from the state. What may be moved to where, the caller has decided.
local function move(id, to, ...)
  local key = row(id)
  local was, queue, code, worker, token, sweeps, attempt = unpack(
    redis.call('HMGET', key, 'state', 'queue', 'code', 'worker', 'token', 'sweeps', 'attempt_id'))
  redis.call('ZREM', 'surco:in:' .. was, id)
  if was == 'queued' and queue then
    redis.call('ZREM', 'surco:rank:' .. queue, id)
    redis.call('ZREM', 'surco:rank:' .. queue .. ':' .. (code or ''), id)
  elseif was == 'waiting' then
    redis.call('DEL', 'surco:needs:' .. id)
  elseif was == 'running' then
    if token and redis.call('GET', 'surco:lease:' .. id) == token then
      redis.call('DEL', 'surco:lease:' .. id)
    end
    if worker and redis.call('HGET', 'surco:workers', worker) == id then
      redis.call('HDEL', 'surco:workers', worker)
    end
  end
  redis.call('HSET', key, 'state', to, ...)
  redis.call('ZADD', 'surco:in:' .. to, NOW_TEXT, id)
  redis.call('ZADD', 'surco:changed', NOW_TEXT, id)
  local noted = {dead = true, cancelled = true}
  if noted[to] or noted[was] then
    redis.call('ZADD', 'surco:mirror', NOW_TEXT, id)
  end
  if was ~= to and (ENDED[was] or ENDED[to]) and redis.call('EXISTS', 'surco:children:' .. id) == 1 then
    redis.call('ZADD', 'surco:releasing', NOW_TEXT, id)
  end
  if sweeps and ENDED[was] ~= ENDED[to] then
    count_in_sweeps(id, sweeps, ENDED[to])
  end
  if to == 'dead' then
    event('dead:' .. id .. ':' .. (attempt or ''))
  end
end

-- Queue a job. `rank` orders the queue: the time, earlier by AGE for each step of priority, so that a job of
-- high priority goes first and one of low priority waits at most nine steps longer.
local function enqueue(id, rank, ...)
  local queue, priority, code = unpack(redis.call('HMGET', row(id), 'queue', 'priority', 'code'))
  rank = rank or string.format('%.6f', NOW - AGE * (tonumber(priority or 0) or 0))
  move(id, 'queued', 'queued', NOW_TEXT, 'rank', rank, ...)
  redis.call('ZADD', 'surco:rank:' .. queue, rank, id)
  redis.call('ZADD', 'surco:rank:' .. queue .. ':' .. (code or ''), rank, id)
end

-- A row that cannot be read is taken out of the lists that are worked through, and stays to be looked at.
local function set_aside(id)
  for _, state in ipairs({'waiting', 'queued', 'running', 'skipped'}) do
    redis.call('ZREM', 'surco:in:' .. state, id)
  end
  redis.call('ZADD', 'surco:malformed', NOW_TEXT, id)
end

-- Decide on a waiting or skipped job by the states that its needs have in this very moment: queue it, skip it,
-- or let it wait. A skipped job comes back where no required need is lost any more. Returns its state.
local function decide(id)
  local state, required, optional = unpack(redis.call('HMGET', row(id), 'state', 'required', 'optional'))
  if state ~= 'waiting' and state ~= 'skipped' then
    return state or ''
  end
  local read, needs = pcall(cjson.decode, required or '')
  local read_too, wishes = pcall(cjson.decode, optional or '')
  if not read or not read_too or type(needs) ~= 'table' or type(wishes) ~= 'table' then
    set_aside(id)
    return 'malformed'
  end
  local lost, open = {}, {}
  for _, need in ipairs(needs) do
    local has = state_of(need)
    if has and ENDED[has] and has ~= 'done' then
      lost[#lost + 1] = 'needs ' .. string.sub(need, 1, 12) .. ', which is ' .. has
    elseif has ~= 'done' then
      open[#open + 1] = need
    end
  end
  for _, wish in ipairs(wishes) do
    local has = state_of(wish)
    if has and not ENDED[has] then
      open[#open + 1] = wish
    end
  end
  if #lost > 0 then
    if state == 'waiting' then
      local reason = table.concat(lost, '; ', 1, math.min(#lost, 5))
      move(id, 'skipped', 'reason', reason, 'ended', NOW_TEXT)
    end
    return 'skipped'
  end
  if state == 'skipped' then
    move(id, 'waiting', 'attempts', '0', 'reason', '', 'ended', '0')
  end
  redis.call('DEL', 'surco:needs:' .. id)
  for start = 1, #open, 1000 do
    redis.call('SADD', 'surco:needs:' .. id, unpack(open, start, math.min(start + 999, #open)))
  end
  if #open == 0 then
    enqueue(id)
    return 'queued'
  end
  redis.call('ZADD', 'surco:in:waiting', NOW_TEXT, id) -- looked at: the slow round over the waiting goes on
  return 'waiting'
end
