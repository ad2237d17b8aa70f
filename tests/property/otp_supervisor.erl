%% Runs trees and faults on OTP's own supervisor and tells what was started and stopped.
%% Input: a file of terms {Tree, Faults}, each followed by a full stop. Output: a line for each, its log joined by commas.
-module(otp_supervisor).
-export([main/1, init/1, start_worker/1, start_supervisor/3]).

main([Path]) ->
    logger:set_primary_config(level, none),
    process_flag(trap_exit, true),
    ets:new(otp, [named_table, public, ordered_set]),
    {ok, Cases} = file:consult(Path),
    [io:format("~s~n", [lists:join(",", run(Case))]) || Case <- Cases],
    halt().

run({{sup, Name, Flags, Children}, Faults}) ->
    ets:delete_all_objects(otp),
    {ok, Root} = start_supervisor(Name, Flags, Children),
    [begin fault(Fault), settle(30) end || Fault <- Faults],
    unlink(Root),
    exit(Root, shutdown),
    wait_gone(Root),
    receive {'EXIT', Root, _} -> ok after 0 -> ok end,
    [Line || [Line] <- ets:match(otp, {{log, '_'}, '$1'})].

%% A supervisor that answers has dealt with what it had been told before, and may have told another one.
settle(0) -> timer:sleep(1);
settle(Rounds) ->
    [catch supervisor:count_children(Pid) || {{pid, Name}, Pid} <- ets:tab2list(otp), is_supervisor(Name)],
    settle(Rounds - 1).

is_supervisor(Name) -> hd(atom_to_list(Name)) =:= $s.

wait_gone(Pid) ->
    Monitor = monitor(process, Pid),
    receive {'DOWN', Monitor, process, Pid, _} -> ok end.

fault({exit, Name, Reason}) ->
    case ets:lookup(otp, {pid, Name}) of
        [{_, Pid}] -> Pid ! {die, Reason}, wait_gone(Pid);
        [] -> ok
    end;
fault({fail, Name, Count}) -> ets:insert(otp, {{fail, Name}, Count});
fault({terminate, Above, Name}) -> request(Above, fun(Pid) -> supervisor:terminate_child(Pid, Name) end);
fault({restart, Above, Name}) -> request(Above, fun(Pid) -> supervisor:restart_child(Pid, Name) end);
fault({delete, Above, Name}) -> request(Above, fun(Pid) -> supervisor:delete_child(Pid, Name) end);
fault({add, Above, Spec}) -> request(Above, fun(Pid) -> supervisor:start_child(Pid, child(Spec)) end).

request(Above, Ask) ->
    [{_, Pid}] = ets:lookup(otp, {pid, Above}),
    catch Ask(Pid).

%% Supervisors and workers

start_supervisor(Name, Flags, Children) ->
    case supervisor:start_link(?MODULE, {Flags, Children}) of
        {ok, Pid} -> ets:insert(otp, {{pid, Name}, Pid}), {ok, Pid};
        Error -> Error
    end.

init({Flags, Children}) -> {ok, {Flags, [child(Child) || Child <- Children]}}.

child({worker, Name, Restart, Significant}) ->
    #{id => Name, start => {?MODULE, start_worker, [Name]}, restart => Restart, significant => Significant};
child({{sup, Name, Flags, Children}, Restart, Significant}) ->
    #{id => Name, start => {?MODULE, start_supervisor, [Name, Flags, Children]}, restart => Restart,
      significant => Significant, type => supervisor}.

start_worker(Name) ->
    log("start ", Name),
    case ets:lookup(otp, {fail, Name}) of
        [{Key, Count}] when Count > 0 -> ets:insert(otp, {Key, Count - 1}), {error, no_start};
        _ ->
            Starter = self(),
            Pid = spawn_link(fun() -> process_flag(trap_exit, true), Starter ! {ready, self()}, work(Name) end),
            receive {ready, Pid} -> ok end,
            ets:insert(otp, {{pid, Name}, Pid}),
            {ok, Pid}
    end.

work(Name) ->
    receive
        {die, Reason} -> ets:delete(otp, {pid, Name}), exit(Reason);
        {'EXIT', _, Reason} -> ets:delete(otp, {pid, Name}), log("stop ", Name), exit(Reason)
    end.

log(What, Name) ->
    ets:insert(otp, {{log, erlang:unique_integer([monotonic])}, What ++ atom_to_list(Name)}).
