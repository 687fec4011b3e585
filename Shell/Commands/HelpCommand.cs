namespace Orleans.Raft.Shell;

internal sealed class HelpCommand : ShellCommand
{
    private const string WordRules = """
        Blanks separate words. '...' is literal. In "..." and in bare words \\ \" \' \t \n \xNN are escapes.
        A line that begins with # is a comment. A bare -- ends the options; a quoted word is never one.
        Keys are 1 byte to 4 KiB, values up to 1 MiB, of any bytes.
        Output escapes backslash, control characters and bytes that are not UTF-8. To type a printed key back,
        put "..." around it if it has blanks, and a backslash before each quote in it.
        CF is default, lock or write. Errors print as ERR <code>: <what, where, what to do>.
        """;

    public override string Name => "help";

    public override string Usage => "help [COMMAND]";

    public override string Summary => "Explains the commands, or one of them.";

    public override (int Min, int Max) ArgumentCount => (0, 1);

    public override Task ExecuteAsync(ShellContext context, Arguments arguments, CancellationToken cancellationToken)
    {
        if (arguments.Count == 1)
        {
            ShellCommand command = CommandTable.Find(arguments[0]);
            PrintLines(context, $"{command.Usage}\n{command.Summary}\n{command.Details}");
            return Task.CompletedTask;
        }
        foreach (ShellCommand command in CommandTable.All)
        {
            PrintLines(context, $"{command.Usage}\n    {command.Summary}");
        }
        PrintLines(context, WordRules);
        return Task.CompletedTask;
    }

    private static void PrintLines(ShellContext context, string text)
    {
        foreach (string line in text.TrimEnd('\n').Split('\n')) context.Output.Line(line);
    }
}
