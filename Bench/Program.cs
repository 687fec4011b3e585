using System.CommandLine;
using Orleans.Raft.Bench;

var options = new BenchOptions();
var root = new RootCommand("Measures Orleans.Raft: the disk below it, its parts, the whole, and etcd beside it. Use a release build.")
{
    FlushCommand.Create(options),
    EtcdCommand.Create(options),
};
return await root.Parse(args).InvokeAsync();
