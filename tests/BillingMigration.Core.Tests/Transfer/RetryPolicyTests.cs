using BillingMigration.Transfer;
using Xunit;

namespace BillingMigration.Tests.Transfer;

public sealed class RetryPolicyTests
{
    [Fact]
    public void Waits_double_from_failure_to_failure_up_to_the_largest()
    {
        var policy = new RetryPolicy { BaseDelay = TimeSpan.FromMilliseconds(100), MaxDelay = TimeSpan.FromSeconds(1) };
        Assert.Equal([100, 200, 400, 800, 1000, 1000], Enumerable.Range(1, 6).Select(n => policy.Delay(n, 1).TotalMilliseconds));
        Assert.Equal(1000, policy.Delay(int.MaxValue, 1).TotalMilliseconds);
    }

    [Fact]
    public void A_wait_is_anywhere_between_nothing_and_its_bound()
    {
        var policy = new RetryPolicy { BaseDelay = TimeSpan.FromMilliseconds(100) };
        Assert.Equal(TimeSpan.Zero, policy.Delay(3, 0));
        Assert.Equal(200, policy.Delay(3, 0.5).TotalMilliseconds);
    }
}
