using Orleans.Raft.Core;
using Orleans.Raft.Testing;

namespace Orleans.Raft.Storage.Tests;

public sealed class FencingTests
{
    private readonly Machine _machine = new();

    [Fact]
    public void Storage_behind_a_lock_is_confirmed_at_once_and_no_longer_once_it_was_closed()
    {
        _machine.Open();
        Assert.False(_machine.Storage.NeedsConfirming);
        Task confirmed = _machine.Storage.ConfirmAsync().AsTask();
        Assert.True(confirmed.IsCompletedSuccessfully);
        _machine.Crash();
        Assert.Throws<FencedException>(() => _machine.Run(() => _machine.Storage.ConfirmAsync().AsTask()));
    }
}
