using BillingMigration.Source.Binlog;
using FsCheck;
using FsCheck.Fluent;

namespace BillingMigration.Tests.Source.Binlog;

public sealed class MariaDbGtidPositionTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("0-1-100", "0-1-100")]
    [InlineData("7-2-5, 0-4294967295-18446744073709551615", "0-4294967295-18446744073709551615,7-2-5")]
    public void The_text_has_its_domains_in_order(string text, string canonical) => Assert.Equal(canonical, MariaDbGtidPosition.Parse(text).ToString());

    [Theory]
    [InlineData("0-1")]
    [InlineData("0-1-2-3")]
    [InlineData("0-1-x")]
    [InlineData("4294967296-1-1")]
    [InlineData("0-1-5,0-2-6")]
    [InlineData("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5")]
    public void What_is_no_position_is_an_error(string text) =>
        Assert.Equal("GtidPositionInvalid", Assert.Throws<MigrationException>(() => MariaDbGtidPosition.Parse(text)).ErrorId);

    [Fact]
    public void A_position_is_the_last_transaction_of_each_domain() => Prop.ForAll<(byte Domain, uint Server, ulong Sequence)[]>(gtids =>
    {
        var position = new MariaDbGtidPosition();
        var last = new Dictionary<uint, (uint, ulong Sequence)>();
        foreach (var (domain, server, sequence) in gtids)
        {
            position.Add($"{domain}-{server}-{sequence}");
            last[domain] = (server, sequence);
        }

        return MariaDbGtidPosition.Parse(position.ToString()).Equals(position)
            && position.Contains(position.Clone())
            && gtids.All(g => position.Contains(g.Domain, g.Sequence) == (g.Sequence <= last[g.Domain].Sequence))
            && !position.Contains(999, 0);
    }).QuickCheckThrowOnFailure();
}
