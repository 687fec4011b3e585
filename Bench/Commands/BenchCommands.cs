using System.CommandLine;

namespace Orleans.Raft.Bench;

/// <summary>All commands.</summary>
internal static class BenchCommands
{
    public static RootCommand Create(BenchOptions options) =>
        new("Measures Orleans.Raft: the disk below it, its parts, the whole, and etcd beside it. Use a release build.")
    {
        FlushCommand.Create(options),
        CoreCommand.Create(options),
        MapCommand.Create(options),
        LogCommand.Create(options),
        EmbeddedCommand.Create(options),
        MemoryCommand.Create(options),
        MemoryCommand.CreateStep(options),
        GroupsCommand.Create(options),
        GroupsCommand.CreateStep(options),
        PostgreSqlCommand.Create(options),
        OrleansCommand.Create(options),
        EtcdCommand.Create(options),
        FiguresCommand.Create(options),
    };
}
