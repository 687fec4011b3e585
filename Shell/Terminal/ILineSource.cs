namespace Orleans.Raft.Shell;

/// <summary>Asks a person for lines.</summary>
internal interface ILineSource
{
    /// <summary>Waits for a line; null when there will be no more.</summary>
    string? ReadLine(string prompt);
}

/// <summary>For terminals that cannot move the cursor: the terminal's own editing, no history.</summary>
internal sealed class DumbLineSource : ILineSource
{
    public string? ReadLine(string prompt)
    {
        Console.Write(prompt);
        return Console.In.ReadLine();
    }
}
