using BillingMigration.Definition;

namespace BillingMigration.Tests.Definition;

public sealed class KeyTemplateTests
{
    [Theory]
    [InlineData("ACCOUNT")]
    [InlineData("{id}")]
    [InlineData("A#{id}#B")]
    [InlineData("A{id}#B{parent.id:D20}")]
    [InlineData("{d:yyyy}#{e:yyyy-MM}#{f:yyyy-MM-dd}#{g:D1}#{h%2}#{i%1000}")]
    [InlineData("A#{id:collated}#{parent.id:collated}")]
    [InlineData("{a}-#-{b}")]
    [InlineData("{spaced name}#{größe}")]
    public void Good_templates_parse_and_keep_their_text(string text)
    {
        var template = KeyTemplate.Parse(text);
        Assert.Equal(text, template.Text);
        Assert.Equal(text, string.Concat(template.Parts.Select(Written)));
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData("  ", "empty")]
    [InlineData("A#{id", "never closes")]
    [InlineData("A#{id{x}}", "never closes")]
    [InlineData("A#id}", "closes nothing")]
    [InlineData("A#{{id}}", "never closes")]
    [InlineData("A#{}", "names no column")]
    [InlineData("A#{ id }", "names no column")]
    [InlineData("A#{.id}", "names no column")]
    [InlineData("A#{a.b.c}", "names no column")]
    [InlineData("A#{x#y}", "names no column")]
    [InlineData("A#{id:D0}", "asks for 0 digits")]
    [InlineData("A#{id:D21}", "asks for 21 digits")]
    [InlineData("A#{id:D99999999999}", "digits; 1 to 20")]
    [InlineData("A#{id:D05}", "unknown format 'D05'")]
    [InlineData("A#{id:D}", "unknown format 'D'")]
    [InlineData("A#{id:d5}", "unknown format 'd5'")]
    [InlineData("A#{id:}", "unknown format ''")]
    [InlineData("A#{id:Collated}", "unknown format 'Collated'")]
    [InlineData("A#{id:collated%16}", "unknown format 'collated%16'")]
    [InlineData("A#{id:yyyyMM}", "unknown format 'yyyyMM'")]
    [InlineData("A#{id:MM}", "unknown format 'MM'")]
    [InlineData("A#{id%1}", "'1' shards")]
    [InlineData("A#{id%1001}", "'1001' shards")]
    [InlineData("A#{id%-2}", "'-2' shards")]
    [InlineData("A#{id%x}", "'x' shards")]
    [InlineData("{a}{b}", "no '#' between")]
    [InlineData("{a}-{b}", "no '#' between")]
    [InlineData("{a}#{b}.{c}", "no '#' between")]
    public void Bad_templates_are_refused_with_a_remedy(string text, string problem)
    {
        Assert.False(KeyTemplate.TryParse(text, out var template, out var found));
        Assert.Null(template);
        Assert.Contains(problem, found.Problem, StringComparison.Ordinal);
        Assert.NotEmpty(found.Remedy);
        Assert.Equal("InvalidKeyTemplate", Assert.Throws<MigrationException>(() => KeyTemplate.Parse(text)).ErrorId);
    }

    [Fact]
    public void A_template_longer_than_a_sort_key_is_refused()
    {
        Assert.False(KeyTemplate.TryParse(new string('x', 1025), out _, out var problem));
        Assert.Contains("1025 characters", problem.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Format_and_shards_do_not_go_together()
    {
        Assert.False(KeyTemplate.TryParse("A#{id:D5%16}", out _, out _));
        Assert.False(KeyTemplate.TryParse("A#{id%16:D5}", out _, out _));
    }

    [Theory]
    [InlineData("A#{x}", "A#{y}", true)]
    [InlineData("A#{x}", "B#{y}", false)]
    [InlineData("A#{x}", "A#{y}#{z}", false)]
    [InlineData("{x}", "A", true)]
    [InlineData("{x}", "A#B", false)]
    [InlineData("A#B", "A#{x}", true)]
    [InlineData("A", "A", true)]
    [InlineData("A", "AB", false)]
    [InlineData("A{x}", "B{y}", false)]
    [InlineData("A{x}", "AB{y}", true)]
    [InlineData("{x}A", "{y}B", false)]
    [InlineData("AB{x}BA", "ABA", false)]
    [InlineData("AB{x}BA", "ABBA", true)]
    [InlineData("{x}#A", "B#{y}", true)]
    public void Templates_are_disjoint_when_segments_cannot_meet(string left, string right, bool couldBeEqual)
    {
        Assert.Equal(couldBeEqual, KeyAmbiguity.CouldBeEqual(KeyTemplate.Parse(left), KeyTemplate.Parse(right)));
        Assert.Equal(couldBeEqual, KeyAmbiguity.CouldBeEqual(KeyTemplate.Parse(right), KeyTemplate.Parse(left)));
    }

    [Theory]
    [InlineData("A#{x}", "A", "A#{y}", "A", true)]
    [InlineData("A#{x}", "A", "A#{y}", "B#{z}", false)]
    [InlineData("A#{x}", "{y}", "B#{x}", "{y}", false)]
    public void Keys_clash_only_when_both_parts_can_be_equal(string pk1, string sk1, string pk2, string sk2, bool clash) =>
        Assert.Equal(clash, KeyAmbiguity.CouldClash(Entity(pk1, sk1), Entity(pk2, sk2)));

    private static EntityDefinition Entity(string pk, string sk) =>
        new() { Entity = "E", Table = "t", PartitionKey = KeyTemplate.Parse(pk), SortKey = KeyTemplate.Parse(sk) };

    private static string Written(KeyPart part) => part switch
    {
        KeyLiteral literal => literal.Text,
        KeyColumn c => $"{{{(c.Lookup is null ? "" : c.Lookup + ".")}{c.Column}{(c.Format is null ? "" : ":" + c.Format)}{(c.Shards is null ? "" : "%" + c.Shards)}}}",
        _ => throw new ArgumentException(part.ToString()),
    };
}
