%% The actor benchmarks in Erlang/OTP: gen_servers doing what bench/cases does with actors.
%% erl -noshell -run actors main CASE COUNT prints one line of JSON: {"seconds": S, "p99": S, "bytes": B}.
-module(actors).
-behaviour(gen_server).
-behaviour(supervisor).
-export([main/1, start_link/0]).
-export([init/1, handle_call/3, handle_cast/2]).

-define(PEERS, 100).
-define(RING, 1000).
-define(CRASH_EVERY, 100).
-define(WARM, 10000).

main([Case, Count]) ->
    logger:set_primary_config(level, none),
    N = list_to_integer(Count),
    Work = list_to_atom(Case),
    _ = work(Work, min(N, ?WARM)),
    {Seconds, P99, Bytes} = work(Work, N),
    io:format("{\"seconds\": ~.9f, \"p99\": ~.9f, \"bytes\": ~.1f}~n", [float(Seconds), float(P99), float(Bytes)]),
    halt().

work(cast, N) ->
    Counter = start(),
    seconds(fun() -> casts(Counter, N), gen_server:call(Counter, total, infinity) end);
work(call, N) ->
    Counter = start(),
    {Seconds, _, _} = seconds(fun() -> calls(Counter, N) end),
    {Seconds, p99([timed_call(Counter) || _ <- lists:seq(1, N div 4)]), 0};
work(call_100, N) ->
    Counter = start(),
    seconds(fun() -> together(fun() -> calls(Counter, N div ?PEERS) end) end);
work(fan_in, N) ->
    Counter = start(),
    seconds(fun() ->
        together(fun() -> casts(Counter, N div ?PEERS) end),
        gen_server:call(Counter, total, infinity)
    end);
work(ring, N) ->
    [First | Others] = [start() || _ <- lists:seq(1, ?RING)],
    _ = lists:foldl(fun(Pid, Next) -> gen_server:cast(Pid, {join, Next, self()}), Pid end, First, Others),
    gen_server:cast(First, {join, hd(lists:reverse(Others)), self()}),
    seconds(fun() -> gen_server:cast(First, {hop, N}), receive done -> ok end end);
work(restart, N) ->
    {ok, Supervisor} = supervisor:start_link(?MODULE, supervisor),
    Found = seconds(fun() -> crashes(N div ?CRASH_EVERY) end),
    unlink(Supervisor),
    exit(Supervisor, shutdown),
    gone(Supervisor),
    Found;
work(spawn, N) ->
    erlang:garbage_collect(),
    Before = erlang:memory(processes),
    {Seconds, _, _} = seconds(fun() -> put(pids, [start() || _ <- lists:seq(1, N)]) end),
    erlang:garbage_collect(),
    Bytes = (erlang:memory(processes) - Before) / N,
    [gen_server:stop(Pid) || Pid <- erase(pids)],
    {Seconds, 0, Bytes}.

seconds(Work) ->
    Started = erlang:monotonic_time(nanosecond),
    Work(),
    {(erlang:monotonic_time(nanosecond) - Started) / 1.0e9, 0, 0}.

start() ->
    {ok, Pid} = gen_server:start(?MODULE, counter, []),
    Pid.

casts(_, 0) -> ok;
casts(Pid, N) -> gen_server:cast(Pid, add), casts(Pid, N - 1).

calls(_, 0) -> ok;
calls(Pid, N) -> gen_server:call(Pid, ping, infinity), calls(Pid, N - 1).

timed_call(Pid) ->
    Started = erlang:monotonic_time(nanosecond),
    gen_server:call(Pid, ping, infinity),
    erlang:monotonic_time(nanosecond) - Started.

p99([]) -> 0;
p99(Times) -> lists:nth(max(1, ceil(length(Times) * 0.99)), lists:sort(Times)) / 1.0e9.

together(Work) ->
    Monitors = [element(2, spawn_monitor(Work)) || _ <- lists:seq(1, ?PEERS)],
    [receive {'DOWN', Monitor, process, _, _} -> ok end || Monitor <- Monitors].

%% A gen_server's mailbox dies with it, so each life gets its messages after the one before has been replaced.
crashes(0) -> ok;
crashes(N) ->
    Pid = living(),
    Monitor = monitor(process, Pid),
    casts(Pid, ?CRASH_EVERY - 1),
    gen_server:cast(Pid, crash),
    receive {'DOWN', Monitor, process, _, _} -> crashes(N - 1) end.

living() ->
    case whereis(crasher) of
        undefined -> erlang:yield(), living();
        Pid -> Pid
    end.

gone(Pid) ->
    Monitor = monitor(process, Pid),
    receive {'DOWN', Monitor, process, _, _} -> ok end.

start_link() -> gen_server:start_link({local, crasher}, ?MODULE, counter, []).

init(supervisor) ->
    Flags = #{strategy => one_for_one, intensity => 1000000000, period => 1},
    {ok, {Flags, [#{id => crasher, start => {?MODULE, start_link, []}}]}};
init(counter) -> {ok, 0}.

handle_call(total, _, Seen) -> {reply, Seen, Seen};
handle_call(ping, _, Seen) -> {reply, Seen, Seen}.

handle_cast(add, Seen) -> {noreply, Seen + 1};
handle_cast(crash, _) -> exit(crashed);
handle_cast({join, Next, Owner}, _) -> {noreply, {Next, Owner}};
handle_cast({hop, 0}, {_, Owner} = Place) -> Owner ! done, {noreply, Place};
handle_cast({hop, Left}, {Next, _} = Place) -> gen_server:cast(Next, {hop, Left - 1}), {noreply, Place}.
