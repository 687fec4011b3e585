using System.Text;

namespace Orleans.Raft.Shell;

/// <summary>All commands, in the order of <c>help</c>.</summary>
internal static class CommandTable
{
    public static readonly IReadOnlyList<ShellCommand> All =
    [
        new PutCommand(), new AppendCommand(), new DeleteCommand(), new GetCommand(), new CompareAndSetCommand(),
        new ScanCommand(), new BatchCommand(), new ImportCommand(), new ExportCommand(), new StatusCommand(),
        new GroupsCommand(), new SplitCommand(), new MergeCommand(), new MoveCommand(), new TransferCommand(),
        new NodesCommand(), new NodeCommand(), new BalanceCommand(), new KillCommand(), new StartCommand(),
        new IsolateCommand(), new HealCommand(), new BenchCommand(), new HelpCommand(), new ExitCommand(),
    ];

    /// <exception cref="ShellException">There is no such command.</exception>
    public static ShellCommand Find(Word word)
    {
        foreach (ShellCommand command in All)
        {
            if (word.Equals(Encoding.UTF8.GetBytes(command.Name))) return command;
        }
        throw new ShellException("UnknownCommand", $"{word.Quoted}; type help for the commands");
    }
}
