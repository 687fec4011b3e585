namespace Orleans.Raft.Shell;

internal sealed class ExportCommand : ShellCommand
{
    public override string Name => "export";

    public override string Usage => "export FILE [--format tsv|ndjson]";

    public override string Summary => "Writes all rows of all column families to a file, by family and key.";

    public override string Details =>
        $"{TransferFormats.Help}\nAn existing file is replaced once the new one is complete.";

    public override IReadOnlyList<OptionSpec> Options { get; } = [OptionSpec.Format];

    public override (int Min, int Max) ArgumentCount => (1, 1);

    public override async Task ExecuteAsync(ShellContext context, Arguments arguments,
        CancellationToken cancellationToken)
    {
        string path = TransferFile.PathOf(arguments[0]);
        var exporter = new Exporter(context.Store, path, TransferFormats.Choose(path, arguments.Option("format")));
        await TransferReport.RunAsync(context, "export", "exported", progress =>
            exporter.RunAsync(progress, cancellationToken));
    }
}
