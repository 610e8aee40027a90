"""GLSL programs of the synthetic renderer."""

LAMPS = 5

DEPTH_VERTEX = """
#version 330
uniform mat4 view_proj;
in vec3 in_position; in vec2 in_uv; in float in_kind; in float in_layer;
out vec2 v_uv; flat out float v_kind; flat out float v_layer;
invariant gl_Position;
void main() { gl_Position = view_proj * vec4(in_position, 1.0); v_uv = in_uv; v_kind = in_kind;
v_layer = in_layer; }
"""

DEPTH_FRAGMENT = """
#version 330
uniform sampler2DArray cutouts;
in vec2 v_uv; flat in float v_kind; flat in float v_layer;
void main() { if (v_kind == 5.0 && texture(cutouts, vec3(v_uv, v_layer)).a < 0.5) discard; }
"""

COUNT_FRAGMENT = DEPTH_FRAGMENT.replace(
    "void main() {", "out vec4 out_color;\nvoid main() { out_color = vec4(1.0);"
)

SHADE_VERTEX = """
#version 330
uniform mat4 view_proj;
in vec3 in_position; in vec3 in_normal; in vec2 in_uv; in vec3 in_color;
in float in_roughness; in float in_metallic; in float in_layer; in float in_kind; in float in_dirt;
in float in_instance;
out vec3 v_position; out vec3 v_normal; out vec2 v_uv;
flat out vec3 v_color; flat out vec4 v_params; flat out float v_dirt; flat out float v_instance;
invariant gl_Position;
void main() {
  gl_Position = view_proj * vec4(in_position, 1.0);
  v_position = in_position; v_normal = in_normal; v_uv = in_uv; v_color = in_color;
  v_params = vec4(in_roughness, in_metallic, in_layer, in_kind); v_dirt = in_dirt;
  v_instance = in_instance;
}
"""

SHADE_FRAGMENT = """
#version 330
#define LAMPS @LAMPS@
uniform sampler2DArray textures; uniform sampler2DArray cutouts;
uniform sampler2DShadow sun_map; uniform sampler2DShadow roof_map;
uniform mat4 sun_matrix; uniform mat4 roof_matrix;
uniform vec3 eye, sun_dir, sun_color, sky_color, ground_color;
uniform vec3 lamp_position[LAMPS]; uniform vec3 lamp_color[LAMPS];
uniform float lamp_rows, lamp_gain, fog_density, roof_strength, sun_radius; uniform vec3 fog_color;
uniform vec3 floor_color, floor_tint; uniform vec4 floor_params; uniform vec4 slab;
uniform vec2 noise_offset;
uniform sampler2D mirror; uniform float mirror_on; uniform vec2 frame_size;
in vec3 v_position; in vec3 v_normal; in vec2 v_uv;
flat in vec3 v_color; flat in vec4 v_params; flat in float v_dirt; flat in float v_instance;
layout(location = 0) out vec4 out_color;
layout(location = 1) out uint out_instance;

vec3 linear(vec3 c) { return c * c * (0.8 * c + 0.2); }
float noise(vec2 p) { return texture(textures, vec3(p + noise_offset, 0.0)).r; }
float crease(vec2 p) { return texture(textures, vec3(p + noise_offset, 1.0)).r; }
float hash(vec2 p) { return fract(sin(dot(p, vec2(12.9898, 78.233))) * 43758.5453); }

float shadow(sampler2DShadow map, mat4 matrix, vec3 p, float radius, float bias) {
  vec4 q = matrix * vec4(p, 1.0);
  vec3 s = q.xyz / q.w * 0.5 + 0.5;
  vec2 rim = abs(s.xy - 0.5);
  float inside = smoothstep(0.5, 0.42, max(rim.x, rim.y));
  if (inside == 0.0 || s.z > 1.0 || s.z < 0.0) return 1.0;
  float angle = 6.2832 * hash(gl_FragCoord.xy), sum = 0.0;
  mat2 turn = mat2(cos(angle), sin(angle), -sin(angle), cos(angle));
  const vec2 taps[6] = vec2[](vec2(-.12,-.05), vec2(.1,-.24), vec2(.4,.15), vec2(.05,.2),
      vec2(-.75,.5), vec2(.2,-.85));
  for (int i = 0; i < 6; ++i) sum += texture(map, vec3(s.xy + turn * taps[i] * radius, s.z - bias));
  return mix(1.0, sum / 6.0, inside);
}

vec3 floor_albedo(vec2 p, out float rough) {
  float coarse = noise(p * 0.043), medium = noise(p * 0.31), fine = noise(p * 1.7);
  vec2 q = mat2(slab.z, slab.w, -slab.w, slab.z) * p / slab.xy;
  vec2 cell = floor(q), edge = abs(fract(q) - 0.5), width = fwidth(q);
  float tone = 1.0 + floor_params.y * (hash(cell + noise_offset) - 0.5);
  vec3 c = mix(floor_color, floor_tint, smoothstep(0.3, 0.75, coarse));
  c *= tone * (1.0 + floor_params.x * (medium - 0.5) + 0.7 * floor_params.x * (fine - 0.5));
  vec2 gap = 0.006 / slab.xy;
  vec2 line = clamp((edge - 0.5 + gap + width) / max(width, gap), 0.0, 1.0) * min(vec2(1.0), gap
      * 2.0 / width);
  c *= 1.0 - floor_params.w * max(line.x, line.y);
  rough = clamp(floor_params.z + 0.35 * (medium - 0.5) + 0.25 * (coarse - 0.5), 0.08, 1.0);
  return linear(clamp(c, 0.0, 1.0));
}

vec3 environment(vec3 d, float rough) {
  vec3 base = mix(ground_color, sky_color, smoothstep(-0.25 - rough, 0.35 + rough, d.z));
  if (d.z > 0.02) {
    vec2 p = d.xy / d.z * lamp_rows;
    float blur = 0.04 + rough * 0.45;
    float strip = smoothstep(0.5 + blur, 0.5 - blur, abs(fract(p.y + 0.3) - 0.5) * 3.2)
        * smoothstep(0.5 + blur, 0.5 - blur, abs(fract(p.x * 0.45) - 0.5) * 1.4);
    base += lamp_gain * sky_color * strip * pow(1.0 - rough, 3.0) * smoothstep(0.06, 0.35, d.z);
  }
  return base;
}

vec3 bump(vec3 n, float h) {
  vec3 px = dFdx(v_position), py = dFdy(v_position), r1 = cross(py, n), r2 = cross(n, px);
  float det = dot(px, r1);
  vec3 bent = abs(det) * n - sign(det) * (dFdx(h) * r1 + dFdy(h) * r2);
  float size = dot(bent, bent);
  return size > 1e-30 ? bent * inversesqrt(size) : n;
}

float ggx(float nh, float rough) { float a = rough * rough; a *= a; float d = nh * nh * (a - 1.0) + 1.0;
return a / (3.1416 * d * d + 1e-5); }

void main() {
  out_instance = uint(v_instance + 0.5);
  vec3 n = dot(v_normal, v_normal) > 1e-12 ? normalize(v_normal) : vec3(0, 0, 1),
      view = normalize(eye - v_position);
  if (dot(n, view) < 0.0) n = -n;
  float rough = v_params.x, metal = v_params.y, layer = v_params.z, kind = v_params.w;
  vec3 albedo = v_color;
  if (kind == 4.0) {
    if (layer >= 0.0) albedo *= linear(texture(textures, vec3(v_uv, layer)).rgb);
    out_color = vec4(albedo, 1.0);
    return;
  }
  if (kind == 5.0) {
    vec4 texel = texture(cutouts, vec3(v_uv, layer));
    if (texel.a < 0.5) discard;
    float lit = 0.75 + 0.25 * shadow(roof_map, roof_matrix, v_position + vec3(0, 0, 0.3), 0.01, 0.002);
    vec3 light = sky_color * 0.75 + ground_color * 0.3 + sun_color * 0.25;
    for (int i = 0; i < LAMPS; ++i) { vec3 to = lamp_position[i] - v_position;
    light += lamp_color[i] * 0.25 / (1.0 + dot(to, to)); }
    out_color = vec4(linear(texel.rgb / texel.a) * light * lit * v_color, 1.0);
    return;
  }
  vec2 flat_uv = abs(n.z) > 0.6 ? v_position.xy : (abs(n.x) > abs(n.y) ? v_position.yz : v_position.xz);
  if (kind == 1.0 || kind == 2.0 || kind == 3.0) {
    float base_rough; vec3 base = floor_albedo(v_position.xy, base_rough);
    if (kind == 2.0) {
      float wear = noise(v_position.xy * 0.9) * 0.6 + noise(v_position.xy * 3.1) * 0.4;
      float keep = smoothstep(v_dirt - 0.12, v_dirt + 0.1, wear);
      vec3 paint = layer >= 0.0 ? v_color * texture(textures, vec3(v_uv, layer)).rgb : v_color;
      albedo = mix(base, linear(paint) * (0.7 + 0.6 * wear), keep * 0.93);
      rough = mix(base_rough, rough, keep);
    } else if (kind == 3.0) {
      vec2 c = v_uv * 2.0 - 1.0;
      float body = smoothstep(1.0, 0.35, length(c) + 0.9 * (noise(v_position.xy * 0.37) - 0.5) + 0.4
          * (noise(v_position.xy * 1.9) - 0.5));
      body *= v_dirt; albedo = mix(base, linear(v_color), body); rough = mix(base_rough, rough, body);
    } else { albedo = base; rough = base_rough; }
  } else {
    albedo = linear(albedo);
    if (layer >= 0.0) albedo *= linear(texture(textures, vec3(v_uv, layer)).rgb);
    float grime = noise(flat_uv * 0.23) * 0.6 + noise(flat_uv * 1.3 + 0.37) * 0.4;
    float low = exp(-max(v_position.z, 0.0) * 3.0);
    if (kind == 6.0) {
      float h = 0.65 * crease(v_uv * vec2(1.2, 2.2)) + 0.35 * crease(v_uv * vec2(3.0, 5.5) + 0.5);
      n = bump(n, 0.07 * v_dirt * h);
      albedo *= 0.75 + 0.5 * h;
    } else {
      float amount = v_dirt * smoothstep(0.42, 0.72, grime + 0.12 * low);
      albedo = mix(albedo, vec3(0.09, 0.075, 0.06) * (0.5 + grime), amount * 0.75);
      albedo *= 1.0 + v_dirt * 0.5 * (grime - 0.5);
      rough = clamp(rough + v_dirt * 0.5 * (grime - 0.4), 0.06, 1.0); metal *= 1.0 - 0.7 * amount;
    }
  }
  vec3 f0 = mix(vec3(0.04), albedo, metal), diffuse = albedo * (1.0 - metal);
  vec3 lifted = v_position + n * 0.02;
  float roof = mix(1.0, shadow(roof_map, roof_matrix, lifted, 0.016, 0.0006), roof_strength);
  float sun_nl = dot(n, sun_dir);
  float sun = sun_nl > 0.0 && dot(sun_color, vec3(1.0)) > 0.0 ? shadow(sun_map, sun_matrix,
      v_position + n * (0.025 + 26.0 * sun_radius * sqrt(max(0.0, 1.0 - sun_nl * sun_nl))), sun_radius,
          0.0007) : 0.0;
  float contact = 1.0 - 0.45 * exp(-max(v_position.z, 0.0) * 7.0)
      * (kind == 1.0 || kind == 2.0 || kind == 3.0 ? 0.0 : 1.0) * (1.0 - abs(n.z));
  vec3 ambient = mix(ground_color, sky_color, 0.5 + 0.5 * n.z) * roof * contact;
  vec3 color = diffuse * ambient;
  float nv = max(dot(n, view), 0.03);
  vec3 fresnel = f0 + (max(vec3(1.0 - rough), f0) - f0) * pow(1.0 - nv, 5.0);
  vec3 gleam = environment(reflect(-view, n), rough) * (0.35 + 0.65 * roof) * contact;
  if (mirror_on > 0.0 && n.z > 0.9 && v_position.z < 0.01 && kind >= 1.0 && kind <= 3.0) {
    vec2 wave = 0.012 * rough * vec2(noise(v_position.xy * 2.3) - 0.5, 2.0 * noise(v_position.xy
        * 2.3 + 0.4) - 1.0);
    gleam = textureLod(mirror, gl_FragCoord.xy / frame_size + wave, rough * 6.0).rgb;
  }
  color += fresnel * gleam;
  vec3 h = normalize(sun_dir + view); float nl = max(dot(n, sun_dir), 0.0);
  color += sun_color * nl * sun * (diffuse + f0 * min(ggx(max(dot(n, h), 0.0), max(rough, 0.12)) * 0.8,
      12.0));
  for (int i = 0; i < LAMPS; ++i) {
    vec3 to = lamp_position[i] - v_position; float d2 = dot(to, to); vec3 l = to * inversesqrt(d2);
    float lambert = max(dot(n, l), 0.0);
    vec3 hh = normalize(l + view);
    color += lamp_color[i] * lambert / (1.0 + d2) * (diffuse * roof + f0 * min(ggx(max(dot(n, hh),
        0.0), max(rough, 0.15)) * 0.6, 8.0));
  }
  float fog = 1.0 - exp(-fog_density * length(eye - v_position));
  out_color = vec4(mix(color, fog_color, fog), 1.0);
}
""".replace("@LAMPS@", str(LAMPS))
