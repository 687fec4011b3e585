namespace Orleans.Raft.Fuzz;

/// <summary>Everything that reads bytes or text from outside and needs no Orleans.</summary>
internal static class Targets
{
    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new FrameTarget(), new FrameIntakeTarget(),
        new FormationMessageTarget(), new FormationRecordTarget(), new FormationPlanTarget(),
        new FormationIntakeTarget(), new DescriptorTarget(), new ConfigurationTarget(),
        new LimitsTarget(), new ControlFrameTarget(), new AdministrationRequestTarget(),
        new OperationTarget(), new CommandBatchTarget(), new ReadBatchTarget(), new AnswerBatchTarget(),
        new ApplyTarget(), new ClientAnswerTarget(), new SnapshotContentTarget(),
        new FileHeaderTarget(), new LogRecordsTarget(), new StorageTarget(),
        new ShellWordsTarget(), new ShellLinesTarget(), new LineReaderTarget(),
        new TsvTarget(), new NdjsonTarget(),
        new EmbeddedOptionsTarget(), new LedgerOptionsTarget(), new ChaosOptionsTarget(), new FuzzOptionsTarget(),
        new BenchOptionsTarget(), new EtcdAnswerTarget(),
    ];
}
