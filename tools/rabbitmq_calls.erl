%% Evaluated by the private node of rabbitmq.py once it has booted: takes the calls of Broker.call.
%% One connection, one expression; a packet is its length in four bytes and the text.
%% Rule: loopback only, and only for who knows the token of this run.
Token = list_to_binary(os:getenv("CALLS_TOKEN")).
Port = list_to_integer(os:getenv("CALLS_PORT")).
Size = byte_size(Token).
Answer = fun(Socket) ->
  receive go -> ok end,
  {ok, <<Token:Size/binary, Text/binary>>} = gen_tcp:recv(Socket, 0),
  Reply = try
    {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Text)),
    {ok, Expressions} = erl_parse:parse_exprs(Tokens),
    {value, Value, _} = erl_eval:exprs(Expressions, []),
    io_lib:format("ok ~0tp", [Value])
  catch
    Class:Reason -> io_lib:format("~0tp", [{Class, Reason}])
  end,
  ok = gen_tcp:send(Socket, unicode:characters_to_binary(Reply))
end.
spawn(fun() ->
  {ok, Listener} = gen_tcp:listen(Port,
    [binary, {ip, {127, 0, 0, 1}}, {packet, 4}, {active, false}, {reuseaddr, true}]),
  (fun Accept() ->
    {ok, Socket} = gen_tcp:accept(Listener),
    Process = spawn(fun() -> Answer(Socket) end),
    ok = gen_tcp:controlling_process(Socket, Process),
    Process ! go,
    Accept()
  end)()
end).
