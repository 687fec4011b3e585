using Orleans.Raft.Client;
using Orleans.Raft.CommandLine;

var arguments = new KvArguments();
arguments.Root.SetAction(async (parsed, cancellation) =>
{
    KvRequest request;
    try
    {
        request = arguments.Read(parsed);
    }
    catch (ArgumentException failure)
    {
        return StrictCommandLine.Refuse(failure.Message);
    }
    if (request.NoColor) Environment.SetEnvironmentVariable("NO_COLOR", "1");
    return await KvTool.RunAsync(request, cancellation);
});
return await StrictCommandLine.RunAsync(arguments.Root, KvArguments.Split(args));
