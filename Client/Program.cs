using System.CommandLine;
using Orleans.Raft.Client;

var gateways = new Option<string>("--gateways") { Description = "Silos' gateways, comma-separated.",
    DefaultValueFactory = _ => KvTool.DefaultGateways };
var clusterId = new Option<string>("--cluster-id") { Description = "Name of the Orleans cluster.",
    DefaultValueFactory = _ => "orleans-raft" };
var noColor = new Option<bool>("--no-color") { Description = "No colours on a terminal." };
var verbose = new Option<bool>("--verbose") { Description = "What Orleans' client does, on standard error." };
var command =
    new Argument<string[]>("command") { Description = "A command of the shell and its arguments, such as: put a 1. "
    + "Without one, the shell.", Arity = ArgumentArity.ZeroOrMore };
var root = new RootCommand(
    "kv: the shell of Orleans.Raft over a cluster of silos. Options come before the command.") { gateways, clusterId,
    noColor, verbose, command };
// What follows the command's name belongs to the command, options of its own too.
root.TreatUnmatchedTokensAsErrors = false;

root.SetAction(async (parsed, cancellation) =>
{
    if (parsed.GetValue(noColor)) Environment.SetEnvironmentVariable("NO_COLOR", "1");
    try
    {
        return await KvTool.RunAsync(parsed.GetValue(command) ?? [], parsed.GetValue(gateways)!,
            parsed.GetValue(clusterId)!, parsed.GetValue(verbose), cancellation);
    }
    catch (ArgumentException failure)
    {
        return Refuse(failure.Message);
    }
});

ParseResult result = root.Parse(Split(args));
return result.Errors.Count == 0
    ? await result.InvokeAsync()
    : Refuse(string.Join(" ", result.Errors.Select(e => e.Message)) + " See --help.");

static int Refuse(string message)
{
    Console.Error.WriteLine($"ERR BadOption: {message}");
    return KvTool.BadStart;
}

// Puts "--" before the command, so that an option after it (bench --clients 8) is the command's.
static string[] Split(string[] args)
{
    int at = 0;
    while (at < args.Length && args[at].StartsWith('-'))
    {
        if (args[at] == "--") return args;
        at += args[at] is "--gateways" or "--cluster-id" ? 2 : 1;
    }
    return at >= args.Length ? args : [.. args[..at], "--", .. args[at..]];
}
