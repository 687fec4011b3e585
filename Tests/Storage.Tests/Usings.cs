global using Xunit;
global using static Orleans.Raft.Storage.Tests.Machine;
