namespace Orleans.Raft.Shell;

/// <summary>A command that cannot be carried out; printed as <c>ERR code: message</c>.</summary>
/// <param name="code">One stable word for scripts.</param>
/// <param name="message">What, where, and what to do.</param>
/// <param name="column">Where in the line; 0 if it concerns the whole.</param>
internal sealed class ShellException(string code, string message, int column = 0) : Exception(message)
{
    public string Code { get; } = code;

    public int Column { get; } = column;
}

/// <summary>Nobody reads the output any more: the session ends.</summary>
internal sealed class OutputFailedException(Exception inner)
    : Exception($"standard output cannot be written: {inner.Message}", inner);
