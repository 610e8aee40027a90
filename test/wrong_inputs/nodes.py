"""What every node does with wrong, partial, empty and broken inputs, and the test that holds it."""

from dataclasses import dataclass

PROGRAMS = (
    *("perception_node", "zones_node", "ranging_node", "recorder_node", "image_replay_node"),
    *("web_view_node", "state_log_node"),
)
EVERY = "every node"


@dataclass(frozen=True)
class Fact:
    """One input of a node.

    Attributes:
        node: its program, or EVERY.
        given: what is wrong with the input, in words.
        answer: what the node does, with its counter or exit status.
        test: file below test/ros and function of the test that holds it.
    """

    node: str
    given: str
    answer: str
    test: str


def of(node, *rows):
    return tuple(Fact(node, *row) for row in rows)


START = "test_startup.py::test_every_node_refuses_a_wrong_start_with_one_sentence_and_status_two"
TOPICS = "perception/test_topics.py::"
BROKEN = TOPICS + "test_a_broken_image_is_counted_and_the_next_one_works"
STAMPS = "perception/test_stamps.py::test_a_cause_is_named_with_its_figures_once_it_has_lasted"
SLOT = "perception/test_slot.py::"
UNKNOWN = "zones/test_unknown.py::"
FIT = "zones/test_fit.py::"
PARAMS = "test_params_file.py::"
PARAMETERS = "perception/test_parameters.py::"
SERVER = "tools/test_web_server.py::"
FACTS = (
    *of(
        EVERY,
        ("parameters file missing", "one sentence, exit status 2", START),
        ("arguments without --ros-args", "one sentence, exit status 2", START),
        ("ROS_DOMAIN_ID that is no number", "one sentence, exit status 2", START),
        ("broken remapping", "one sentence, exit status 2", START),
        ("HOME unset and no log folder", "one sentence, exit status 2", START),
        ("SROS2 enforced without a keystore", "one sentence, exit status 2", START),
        (
            "SROS2 enforced without the node's enclave",
            "one sentence, exit status 2",
            "test_startup.py::test_security_that_is_enforced_needs_the_enclave",
        ),
        (
            "ROS_SECURITY_ENABLE=True and other words that ROS takes for false",
            "one sentence, exit status 2",
            "test_startup.py::test_words_that_ros_takes_for_something_else_are_refused",
        ),
        (
            "parameters file with tabs, a wrong key, mixed numbers or a parameter twice",
            "one sentence with line and cure, exit status 2",
            PARAMS + "test_a_wrong_file_is_named_with_line_and_cure",
        ),
        (
            "parameters file that is not UTF-8",
            "one sentence that names the encoding",
            PARAMS + "test_other_encodings_are_named",
        ),
        (
            "parameters file whose keys do not fit the node",
            "warning with the key that fits",
            PARAMS + "test_a_file_whose_keys_do_not_fit_the_node_is_named",
        ),
        (
            "unknown parameter",
            "warning with the nearest name",
            PARAMETERS + "test_a_parameter_that_does_not_exist_is_told_with_the_nearest_name",
        ),
        (
            "parameter of another type",
            "refused, the old value stays",
            PARAMETERS + "test_other_types_are_refused_and_the_value_stays",
        ),
        (
            "middleware that is not installed",
            "one sentence, exit status 2",
            "test_startup.py::test_a_middleware_that_is_not_installed_is_refused",
        ),
    ),
    *of(
        "perception_node",
        ("image with too few bytes, or none", "`failed` + 1, ERROR with the reason", BROKEN),
        ("image of an unknown encoding", "`failed` + 1, ERROR with the list", BROKEN),
        ("image that claims 60000x60000 pixels", "`failed` + 1, ERROR with the limit", BROKEN),
        ("image of no size, or with a short step", "`failed` + 1, ERROR with the reason", BROKEN),
        (
            "stamps that are 0, constant or of another clock",
            "ERROR with cause and figures after `camera_timeout`",
            STAMPS,
        ),
        (
            "two publishers, cameras or clocks in turn on one image topic",
            "the status says so at once, zones are unknown; ERROR",
            "perception/test_stamps.py::test_two_publishers_of_one_frame_are_told_at_once",
        ),
        (
            "pictures of which a part holds no data; a driver that repeats its buffers",
            "cut, partly_covered or frozen in the status, zones are unknown; ERROR",
            "perception/test_image_health.py::"
            "test_rows_of_zeros_where_there_were_none_are_a_cut_picture",
        ),
        (
            "pictures whose lower part is a decoder's grey, or one row again and again",
            "cut in the status, zones are unknown; ERROR",
            "perception/test_image_health.py::"
            "test_grey_of_a_decoder_below_is_a_cut_picture_at_once",
        ),
        (
            "pictures of random pixels",
            "noise in the status, zones are unknown; ERROR",
            "perception/test_image_health.py::test_a_problem_is_named_with_its_figures",
        ),
        (
            "older image than the newest",
            "`stale` + 1",
            TOPICS + "test_an_older_image_is_counted_as_stale",
        ),
        (
            "image older than `max_age`",
            "`stale` + 1",
            TOPICS + "test_too_old_images_are_stale",
        ),
        (
            "no image",
            "ERROR until one comes",
            TOPICS + "test_a_silent_camera_is_an_error_until_it_speaks",
        ),
        (
            "publishers of another type or QoS",
            "log names type, QoS and cure",
            "test_silence.py::test_the_cause_and_the_cure_are_told",
        ),
        (
            "parameter out of range",
            "refused with the reason",
            TOPICS + "test_a_wrong_parameter_is_refused_with_a_reason",
        ),
        (
            "model that can't be loaded",
            "refused, the old model serves on",
            SLOT + "test_a_failed_reload_keeps_the_old_model_and_its_version",
        ),
        (
            "model whose load hangs",
            "given up after `model_timeout`",
            SLOT + "test_a_load_that_hangs_is_given_up_and_its_late_model_never_serves",
        ),
        (
            "model that changes while it is read",
            "refused, the old model serves on",
            "perception/test_faults.py::"
            "test_a_model_that_changes_while_it_is_read_never_stops_the_old_one",
        ),
        (
            "more images than it can take",
            "`dropped` counts, the sum fits",
            TOPICS + "test_the_counters_add_up_in_a_flood",
        ),
    ),
    *of(
        "perception_node",
        (
            "two cameras on one image topic",
            "an error in diagnostics that names both frames",
            "perception/test_stamps.py::test_cameras_that_take_turns_on_one_topic_are_told",
        ),
        (
            "images that newer ones pushed out of the queue",
            "counted as `lost`",
            "test_losses.py::test_what_newer_messages_push_out_of_a_queue_is_counted",
        ),
    ),
    *of(
        "zones_node",
        (
            "classes of another detector that differ from the zones' by their case or Unicode form",
            "refused, `unknown`",
            "zones/test_conversions.py::test_a_class_that_is_spelt_otherwise_is_refused",
        ),
        (
            "classes of another detector that `detector_classes` does not list",
            "refused, `unknown`",
            "zones/test_conversions.py::test_the_names_of_another_detector_can_be_listed",
        ),
        (
            "another detector's boxes as shares of the image, boxes or scores of 0",
            "refused, `unknown`",
            "zones/test_conversions.py::test_what_another_detector_did_not_fill_in_is_refused",
        ),
        (
            "a box that is turned",
            "refused, `unknown`",
            "zones/test_conversions.py::test_a_box_that_is_turned_is_refused",
        ),
        (
            "zones file with an unknown key or a broken polygon",
            "one sentence, exit status not 0",
            UNKNOWN + "test_a_wrong_file_is_one_clear_error",
        ),
        (
            "wrong zones file at run time",
            "refused, the old one stays",
            UNKNOWN + "test_a_wrong_zones_file_is_refused_at_run_time_and_the_old_one_stays",
        ),
        (
            "calibration of another size, or one that does not show the zone",
            "`unknown` with the reason",
            FIT + "test_each_bad_calibration_is_unknown_with_the_reason_and_a_good_one_recovers",
        ),
        (
            "no names, no calibration",
            "`unknown`",
            UNKNOWN + "test_nothing_is_known_before_names_and_calibration_came",
        ),
        (
            "topics that are missing or of another type",
            "log names what is seen",
            UNKNOWN + "test_what_is_missing_is_logged_with_what_is_seen",
        ),
        (
            "messages that make no sense",
            "`unknown`, the node lives",
            UNKNOWN + "test_messages_that_make_no_sense_are_refused_and_the_node_lives",
        ),
        (
            "old results, or of the future",
            "not used",
            UNKNOWN + "test_old_and_early_results_do_not_count",
        ),
        (
            "silence",
            "`unknown` until it recovers",
            UNKNOWN + "test_a_silent_source_makes_the_zone_unknown_until_it_recovers",
        ),
        (
            "mask missing",
            "never `free`",
            UNKNOWN + "test_mask_alone_occupies_and_a_missing_mask_is_not_free",
        ),
        (
            "another zones node of the same name",
            "ERROR names them and the cure",
            "zones/test_cameras.py::test_another_node_of_the_same_name_is_an_error",
        ),
        (
            "calibrations of two cameras in turn on `camera_info`",
            "`unknown`, both named",
            FIT + "test_calibrations_of_two_cameras_in_turn_are_unknown",
        ),
        (
            "two publishers that place the camera differently on `/tf` or `/tf_static`",
            "`unknown`, both named",
            "zones/test_transforms.py::"
            "test_two_publishers_that_place_the_camera_differently_are_named",
        ),
        (
            "`/tf_static` with a quality of service that does not fit",
            "`unknown`, publisher and cure named",
            "zones/test_transforms.py::test_a_static_publisher_that_nobody_can_hear_is_named",
        ),
        (
            "results without a status",
            "`unknown` with the reason",
            FIT + "test_results_without_a_status_are_not_used_and_the_reason_says_so",
        ),
    ),
    *of(
        "ranging_node",
        (
            "no transform",
            "no distances, the reason in diagnostics",
            "ranging/test_ranging_node.py::"
            "test_without_a_transform_nothing_is_said_but_why_and_it_begins_when_it_comes",
        ),
        (
            "depth of another encoding",
            "refused by name, the floor still measures",
            "ranging/test_ranging_node.py::"
            "test_depth_of_a_wrong_kind_is_refused_by_name_and_the_floor_still_measures",
        ),
        (
            "calibration of another image size",
            "no distances, both sizes in diagnostics",
            "ranging/test_ranging_node.py::"
            "test_boxes_of_an_image_of_another_size_are_not_measured",
        ),
        (
            "detections of an unknown class",
            "that result is refused and counted, others are measured",
            "ranging/test_ranging_node.py::test_a_refused_result_takes_no_other_along",
        ),
        (
            "depth of another camera",
            "refused, both frames named; the floor still measures",
            "ranging/test_ranging_node.py::test_depth_of_another_camera_is_not_used",
        ),
        (
            "calibration of another camera",
            "no distances, both frames named",
            "ranging/test_ranging_node.py::test_a_calibration_of_another_camera_is_not_used",
        ),
        (
            "an image that is frozen, dark, covered or overexposed; a model without masks of all classes",
            "nothing measured; no cell of the floor is free",
            "ranging/test_ranging_node.py::"
            "test_the_floor_is_free_only_where_the_mask_could_show_objects",
        ),
        (
            "depth of zeros or NaN, of another unit, or with stamps of another clock",
            "WARN with the values or times found; the floor still measures",
            "ranging/test_ranging_node.py::"
            "test_depth_that_measures_nothing_is_told_and_the_floor_measures",
        ),
        (
            "a calibration of zeros or NaN, or with binning",
            "no distances, ERROR with topic and reason",
            "ranging/test_ranging_node.py::"
            "test_a_calibration_that_can_t_be_used_is_an_error_with_its_reason",
        ),
        (
            "a mask of another shape than the image, or with unknown class ids",
            "refused and counted; boxes are measured, no cell of the floor is free",
            "ranging/test_ranging_node.py::"
            "test_a_mask_of_another_camera_or_model_frees_no_floor",
        ),
        (
            "another ranging node of the same name",
            "WARN names them and the cure",
            "ranging/test_ranging_node.py::test_another_node_of_the_same_name_is_told",
        ),
        (
            "no tf2_msgs installed, and no `camera_position`",
            "one sentence with the package and the other way, exit status 2",
            "ranging/test_ranging_node.py::test_a_pose_from_tf_needs_its_messages",
        ),
        (
            "two publishers of detections",
            "WARN with their number",
            "ranging/test_ranging_node.py::test_two_publishers_of_detections_are_told",
        ),
        (
            "detections that end",
            "ERROR names topic, publishers and cure",
            "ranging/test_ranging_node.py::test_an_input_that_ends_is_an_error",
        ),
        (
            "`mask: true` or `depth: true`, and none comes",
            "WARN names topic, publishers and cure; the rest is measured",
            "ranging/test_ranging_node.py::test_an_input_that_never_comes_is_a_warning",
        ),
        (
            "classes of other names than person, forklift, rail",
            "obstacles by the mask; WARN names them and `class_shapes`",
            "ranging/test_ranging_node.py::test_classes_of_any_name_are_obstacles",
        ),
    ),
    *of(
        "recorder_node",
        (
            "nothing of these cameras is published",
            "says so, exit status 2",
            "tools/test_recorder.py::"
            "test_a_recorder_of_other_cameras_says_so_and_ends_with_status_two",
        ),
        (
            "bag that is there already",
            "refused, exit status 2; `overwrite` replaces it",
            "tools/test_recorder.py::test_a_bag_is_replaced_only_when_told",
        ),
        (
            "place that can't be written",
            "named, exit status 2",
            "tools/test_recorder.py::test_a_bag_that_can_not_be_written_is_named",
        ),
        (
            "full disk",
            "says so, exit status 1",
            "perception/test_faults.py::"
            "test_a_recorder_whose_disk_is_full_says_so_and_ends_with_status_one",
        ),
        (
            "use_sim_time without a /clock",
            "says so, exit status 1",
            "tools/test_recorder.py::test_a_clock_that_stands_at_zero_is_told",
        ),
        (
            "nothing of one of its cameras",
            "names it, exit status 1",
            "tools/test_recorder.py::test_a_camera_that_brings_nothing_is_said",
        ),
        (
            "messages lost because the recorder was busy",
            "counted by topic, exit status 1",
            "test_losses.py::test_a_recorder_that_was_stopped_says_what_the_bag_lacks",
        ),
    ),
    *of(
        "image_replay_node",
        (
            "nothing there, no source, a wrong option",
            "one sentence, exit status 2",
            "tools/test_image_replay.py::"
            "test_what_can_not_be_replayed_is_an_error_and_status_two",
        ),
        (
            "damage that leaves no frame",
            "says so, exit status 2",
            "tools/test_image_replay.py::test_damage_that_leaves_no_frame_is_status_two",
        ),
        (
            "broken image in a bag",
            "skipped and counted",
            "tools/test_live_replay.py::test_a_broken_image_in_a_bag_is_skipped",
        ),
    ),
    *of(
        "web_view_node",
        (
            "address in use",
            "one sentence",
            "tools/test_web_view.py::test_an_address_in_use_is_said",
        ),
        (
            "no picture yet",
            "the frame says so",
            SERVER + "test_without_a_picture_the_frame_says_so",
        ),
        (
            "old picture",
            "not shown as the present one",
            SERVER + "test_an_old_picture_is_not_shown_as_the_present_one",
        ),
        (
            "request that never ends",
            "cut off",
            SERVER + "test_a_client_that_never_ends_its_request_is_cut_off",
        ),
        (
            "too many clients",
            "refused",
            SERVER + "test_more_clients_than_a_few_are_refused_and_places_are_given_back",
        ),
    ),
    *of(
        "state_log_node",
        ("a wrong start", "one sentence, exit status 2", START),
        (
            "nothing is published in this namespace",
            "says so, exit status 2",
            "tools/test_state_log.py::test_a_log_that_heard_nothing_says_so",
        ),
    ),
)  # fmt: skip
