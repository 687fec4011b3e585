namespace Orleans.Raft.Shell;

/// <summary>Keys in, text out.</summary>
internal interface ITerminal
{
    /// <summary>Columns of a line.</summary>
    int Width { get; }

    ConsoleKeyInfo ReadKey();

    void Write(string text);

    /// <summary>While a line is edited Ctrl-C is a key; while a command runs it is a signal.</summary>
    void SetEditing(bool editing);
}

/// <summary>The console of this process.</summary>
internal sealed class ConsoleTerminal : ITerminal
{
    /// <summary>Whether the cursor can be moved: no on dumb terminals.</summary>
    public static bool CanEdit
    {
        get
        {
            string? kind = Environment.GetEnvironmentVariable("TERM");
            return OperatingSystem.IsWindows() ? kind != "dumb" : !string.IsNullOrEmpty(kind) && kind != "dumb";
        }
    }

    public int Width => Console.WindowWidth > 0 ? Console.WindowWidth : 80;

    public ConsoleKeyInfo ReadKey() => Console.ReadKey(intercept: true);

    public void Write(string text)
    {
        Console.Out.Write(text);
        Console.Out.Flush();
    }

    public void SetEditing(bool editing) => Console.TreatControlCAsInput = editing;
}
