namespace Orleans.Raft.Shell;

/// <summary>Runs commands one by one, prints their errors and remembers that there were some.</summary>
internal sealed class CommandRunner(ShellContext context)
{
    public bool AnyFailed { get; private set; }

    public bool ExitRequested => context.ExitRequested;

    public int ExitCode => AnyFailed ? 1 : 0;

    /// <summary>Runs one command and flushes its output.</summary>
    /// <param name="where">Names the line in errors; null if there is but one.</param>
    /// <param name="split">Gives the words; an error in it is the command's.</param>
    /// <exception cref="OutputFailedException">Nobody reads the output.</exception>
    public async Task RunAsync(string? where, Func<IReadOnlyList<Word>> split, CancellationToken cancellationToken)
    {
        ShellCommand? command = null;
        try
        {
            IReadOnlyList<Word> words = split();
            if (words.Count > 0)
            {
                command = CommandTable.Find(words[0]);
                Arguments arguments = Arguments.Parse(command, words);
                await command.ExecuteAsync(context, arguments, cancellationToken);
            }
        }
        catch (Exception exception) when (exception is not OutputFailedException)
        {
            Report(exception, where, command);
        }
        await context.Output.FlushAsync();
    }

    private void Report(Exception exception, string? where, ShellCommand? command)
    {
        AnyFailed = true;
        (string code, string message) = ErrorText.Describe(exception);
        string? column = exception is ShellException { Column: > 0 } located ? $"column {located.Column}" : null;
        string place = string.Join(", ", new[] { where, column, command?.Name }.Where(part => part is not null));
        context.Output.Error(code, place.Length > 0 ? $"{place}: {message}" : message);
        if (code == ErrorText.Internal) context.Options.Log.WriteLine(exception);
    }
}
