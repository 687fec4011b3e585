namespace Orleans.Raft.Shell;

internal sealed class ImportCommand : ShellCommand
{
    public override string Name => "import";

    public override string Usage => "import FILE [--format tsv|ndjson]";

    public override string Summary => "Puts every row of a file; a bad line stops it, what was written before stays.";

    public override string Details => TransferFormats.Help;

    public override IReadOnlyList<OptionSpec> Options { get; } = [OptionSpec.Format];

    public override (int Min, int Max) ArgumentCount => (1, 1);

    public override async Task ExecuteAsync(ShellContext context, Arguments arguments,
        CancellationToken cancellationToken)
    {
        string path = TransferFile.PathOf(arguments[0]);
        var importer = new Importer(context.Store, path, TransferFormats.Choose(path, arguments.Option("format")));
        await TransferReport.RunAsync(context, "import", "imported", progress =>
            importer.RunAsync(progress, cancellationToken));
    }
}
