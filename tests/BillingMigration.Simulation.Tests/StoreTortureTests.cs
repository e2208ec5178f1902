using BillingMigration.Torture;

namespace BillingMigration.Simulation.Tests;

/// <summary>The searcher's short form.</summary>
public sealed class StoreTortureTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Whatever_DynamoDB_and_the_network_do_what_was_told_is_true(int seed)
    {
        var result = StoreTorture.Run(new StoreTortureOptions { Seed = seed, Calls = 250 });
        Assert.Empty(result.Violations);
        Assert.InRange(result.Told["Done"], 100, 250);
    }

    [Fact]
    public void A_trial_is_the_same_again_with_its_seed()
    {
        var options = new StoreTortureOptions { Seed = 11, Calls = 60 };
        var (one, two) = (StoreTorture.Run(options), StoreTorture.Run(options));
        Assert.Equal((one.Requests, one.Commits, one.Virtual), (two.Requests, two.Commits, two.Virtual));
    }
}
