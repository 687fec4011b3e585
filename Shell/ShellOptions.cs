namespace Orleans.Raft.Shell;

/// <summary>How a shell behaves.</summary>
public sealed class ShellOptions
{
    /// <summary>Shown before each line on a terminal. Default <c>raft&gt; </c>.</summary>
    public string Prompt { get; init; } = "raft> ";

    /// <summary>The longest line of input, in bytes: at least 1 KiB; default 32 MiB, a full batch with every byte
    /// escaped.</summary>
    public int LineMaxBytes { get; init; } = 32 * 1024 * 1024;

    /// <summary>How long to wait for the cluster's status. Default 5 s.</summary>
    public TimeSpan StatusTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long to wait until a node is killed, started, isolated or healed. Default 30 s: starting reads its
    /// log.</summary>
    public TimeSpan FaultTimeout { get; init; } = TimeSpan.FromSeconds(30);

    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>Takes what is for the operator, not for the user. Default standard error.</summary>
    public TextWriter Log { get; init; } = Console.Error;

    /// <summary>Every problem, each as one sentence; empty if there is none.</summary>
    public IReadOnlyList<string> Validate()
    {
        var problems = new List<string>();
        if (LineMaxBytes < 1024) problems.Add($"LineMaxBytes is {LineMaxBytes}, must be at least 1024.");
        if (LineMaxBytes > Array.MaxLength / 2) problems.Add(
            $"LineMaxBytes is {LineMaxBytes}, must be at most {Array.MaxLength / 2}.");
        if (StatusTimeout <= TimeSpan.Zero) problems.Add($"StatusTimeout is {StatusTimeout}, must be above 0.");
        if (FaultTimeout <= TimeSpan.Zero) problems.Add($"FaultTimeout is {FaultTimeout}, must be above 0.");
        return problems;
    }
}
