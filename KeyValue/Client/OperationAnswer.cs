namespace Orleans.Raft.KeyValue;

/// <summary>One answer, copied out of a reply.</summary>
internal readonly record struct OperationAnswer(
    AnswerStatus Status, byte[]? Content = null, SessionId Session = default, KeyValueEntry[]? Page = null,
    bool HasMore = false, GroupDescriptor? Descriptor = null)
{
    public ReadOnlyMemory<byte>? Value => Content is null
        ? default(ReadOnlyMemory<byte>?)
        : new ReadOnlyMemory<byte>(Content);

    public KeyValueEntry[] Rows => Page ?? [];

    /// <summary>All answers of a reply, in order.</summary>
    /// <exception cref="InvalidDataException">The bytes are no answers of a version understood here.</exception>
    public static OperationAnswer[] ReadAll(ReadOnlySpan<byte> answers)
    {
        var reader = new AnswerBatchReader(answers);
        var read = new OperationAnswer[reader.Count];
        for (int i = 0; reader.MoveNext(); i++)
        {
            read[i] = reader.Status switch
            {
                AnswerStatus.SessionOpened => new OperationAnswer(reader.Status, Session: reader.Session),
                AnswerStatus.Page =>
                    new OperationAnswer(reader.Status, Page: ReadPage(reader.Rows), HasMore: reader.More),
                AnswerStatus.WrongRange => new OperationAnswer(reader.Status, Descriptor: reader.Descriptor),
                _ => new OperationAnswer(reader.Status, reader.HasValue ? reader.Value.ToArray() : null),
            };
        }
        return read;
    }

    private static KeyValueEntry[] ReadPage(PageReader page)
    {
        var rows = new KeyValueEntry[page.Count];
        for (int i = 0; page.MoveNext(); i++) rows[i] = new KeyValueEntry(page.Key.ToArray(), page.Value.ToArray());
        return rows;
    }
}
