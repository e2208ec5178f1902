using System.Threading.Channels;
using BillingMigration.Sync;

namespace BillingMigration.Tests.Sync;

/// <summary>What a follower reports, for a test that waits for it.</summary>
internal sealed class Reports(ChannelWriter<SyncProgress> writer) : IProgress<SyncProgress>
{
    public void Report(SyncProgress value) => writer.TryWrite(value);
}
