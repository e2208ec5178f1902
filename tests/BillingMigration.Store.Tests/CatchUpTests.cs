using BillingMigration.Store.Cutover;
using Microsoft.Extensions.Time.Testing;

namespace BillingMigration.Store.Tests;

public sealed class CatchUpTests
{
    [Fact]
    public void What_comes_no_nearer_is_not_waited_for_without_end()
    {
        var time = new FakeTimeProvider();
        var watch = new CatchUpWatch(time);
        for (var lag = 600; lag > 500; lag--)
        {
            time.Advance(CatchUpWatch.Patience);
            watch.Add(TimeSpan.FromSeconds(lag));
        }

        time.Advance(CatchUpWatch.Patience);
        watch.Add(TimeSpan.FromSeconds(501));
        watch.Add(null);
        time.Advance(TimeSpan.FromTicks(1));
        var error = Assert.Throws<MigrationException>(() => watch.Add(TimeSpan.FromSeconds(501)));
        Assert.Equal("SwitchFallsBehind", error.ErrorId);
        Assert.Contains("501 s behind", error.Message, StringComparison.Ordinal);
    }
}
