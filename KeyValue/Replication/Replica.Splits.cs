namespace Orleans.Raft.KeyValue;

/// <content>Splitting the group, and bringing up the group that begins with it.</content>
public sealed partial class Replica
{
    private GroupDescriptor? _toldDescriptor;

    /// <summary>Tells the node, for whoever asks it for routes.</summary>
    private void TellRange()
    {
        if (ReferenceEquals(_toldDescriptor, _state.Descriptor)) return;
        _toldDescriptor = _state.Descriptor;
        _host.Learn(_state.Descriptor);
    }
}
