using BillingMigration.Target;
using Xunit;

namespace BillingMigration.Tests.Target;

public sealed class RejectionTextTests
{
    [Theory]
    [InlineData("The parameter cannot be converted to a numeric value: 12,50", """{"amount":{"N":"12,50"}}""", "The parameter cannot be converted to a numeric value")]
    [InlineData("Something about DE89370400440532013000 is wrong", """{"iban":{"S":"DE89370400440532013000"}}""", "Something about *** is wrong")]
    [InlineData("Nested Mustermann too", """{"a":{"M":{"n":{"S":"Mustermann"}}}}""", "Nested *** too")]
    [InlineData("Item size has exceeded the maximum allowed size", """{"a":{"S":"size"}}""", "Item *** has exceeded the maximum allowed ***")]
    [InlineData("Item size has exceeded the maximum allowed size", """{"a":{"S":"max"}}""", "Item size has exceeded the maximum allowed size")]
    public void Values_of_the_item_do_not_stand_in_the_message(string message, string item, string expected) =>
        Assert.Equal(expected, RejectionText.WithoutValues(message, System.Text.Encoding.UTF8.GetBytes(item)));
}
