namespace Orleans.Raft.Shell;

/// <summary>One command of the language.</summary>
internal abstract class ShellCommand
{
    public abstract string Name { get; }

    /// <summary>The command with its words, as in <c>get K [--raw]</c>.</summary>
    public abstract string Usage { get; }

    /// <summary>What it does, in one line.</summary>
    public abstract string Summary { get; }

    /// <summary>What else <c>help</c> says about it; empty if nothing.</summary>
    public virtual string Details => "";

    public virtual IReadOnlyList<OptionSpec> Options => [];

    /// <summary>What may come first among the arguments, if that is one of a few words.</summary>
    public virtual IReadOnlyList<string> Verbs => [];

    /// <summary>How many words may follow, options aside; both inclusive.</summary>
    public abstract (int Min, int Max) ArgumentCount { get; }

    public abstract Task ExecuteAsync(ShellContext context, Arguments arguments, CancellationToken cancellationToken);
}
